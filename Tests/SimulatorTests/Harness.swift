import KernelLanguage
import Simulator

/// A machine with one stream, and typed access to its memory.
final class Harness {
    let machine: SimulatedMachine
    let stream: StreamID

    init(seed: UInt64 = 1, _ change: (inout SimulatorConfiguration) -> Void = { _ in }) {
        var configuration = SimulatorConfiguration(multiprocessors: 4, seed: seed, instructionLimit: 50_000_000)
        change(&configuration)
        machine = SimulatedMachine(configuration)
        stream = machine.makeStream(label: "main")
    }

    /// An allocation with these contents.
    func buffer<T: BitwiseCopyable>(_ values: [T], _ label: String = "buffer") throws -> UInt64 {
        try machine.allocate(values, label: label)
    }

    /// An allocation that nobody has written.
    func empty<T>(_ type: T.Type, count: Int, _ label: String = "buffer") throws -> UInt64 {
        try machine.allocate(bytes: count * MemoryLayout<T>.stride, label: label)
    }

    func write<T: BitwiseCopyable>(_ values: [T], at address: UInt64) throws { try machine.write(values, at: address) }

    func read<T: BitwiseCopyable>(_ type: T.Type, count: Int, at address: UInt64) throws -> [T] {
        try machine.read(type, count: count, from: address)
    }

    func launch(
        _ kernel: Kernel, grid: Int = 1, _ arguments: [KernelArgument], dependent: Bool = false,
        on other: StreamID? = nil
    ) throws {
        try machine.enqueueLaunch(
            try Program(kernel), grid: grid, arguments: arguments, dependentLaunch: dependent, label: kernel.name,
            on: other ?? stream)
    }

    /// Launches and waits.
    func run(_ kernel: Kernel, grid: Int = 1, _ arguments: [KernelArgument]) throws {
        try launch(kernel, grid: grid, arguments)
        try machine.synchronize(stream)
    }

    /// The error that running gives.
    func failure(_ kernel: Kernel, grid: Int = 1, _ arguments: [KernelArgument]) throws -> SimulationError? {
        try launch(kernel, grid: grid, arguments)
        do throws(SimulationError) {
            try machine.synchronize(stream)
            return nil
        } catch {
            return error
        }
    }
}

/// The same numbers for the same seed.
struct TestRandom: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state &* 0x2545_F491_4F6C_DD1D
    }
}
