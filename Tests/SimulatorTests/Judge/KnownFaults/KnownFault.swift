import KernelLanguage
import Simulator

/// A fault that was found in public expert-parallel code, in kernels of a few lines: with it, and put right.
struct KnownFault: Sendable, CustomStringConvertible {
    /// How it shows.
    enum Finding: Sendable {
        /// As a race.
        case race
        /// As a race whose report says this.
        case raceSaying(String)
        /// In what the receiver has read.
        case wrongResult
    }

    /// What is wrong, in a few words.
    let description: String
    /// Schedules within which it must be found.
    let budget: Int
    let finding: Finding
    /// What comes out of the right kernels.
    let expected: [UInt32]
    /// Runs the kernels, with the fault or without, and gives what the receiver has read.
    let run: @Sendable (_ machine: SimulatedMachine, _ isPlanted: Bool) throws -> [UInt32]

    static let all = [
        refilledStaging, signalsOfTwoCalls, missingProxyFence, signalBehindRead, relaxedSignal, widenedCounter,
        undrainedReceiver, survivorsOutOfStep,
    ]
}

extension SimulatedMachine {
    /// Runs a kernel of one block on a stream of each rank, all at once, with the same arguments.
    func run(_ kernels: [Kernel], _ arguments: [KernelArgument]) throws {
        for (rank, kernel) in kernels.enumerated() {
            let stream = makeStream(label: "rank \(rank)", rank: rank)
            try enqueueLaunch(Program(kernel), grid: 1, arguments: arguments, on: stream)
        }
        try synchronizeAll()
    }
}

extension KernelBuilder {
    /// One thread waits until a word of another rank's shows what it waits for.
    func awaitWord<Word: Scalar>(_ word: Pointer<Word>, until isDone: (Value<Word>) -> Condition) {
        loop {
            breakIf(isDone(load(word, order: .acquire(.system))))
            sleep(nanoseconds: 40)
        }
    }
}
