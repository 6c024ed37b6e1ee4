import Conformance
import KernelLanguage
import Simulator
import Testing

/// The kernel by which `Scripts/racecheck` measures racecheck: what it does is ordered, and only just.
@Suite struct SharedWordsTests {
    private static let numbers: [UInt32] = [7, 5, 3, 2]

    private func kernel() throws -> Kernel {
        try KernelBuilder.build("shared_words", threads: 64) { k in
            let source = k.pointerParameter("source", to: UInt32.self)
            let output = k.pointerParameter("output", to: UInt32.self)
            passOnByWords(k, from: source, to: output, count: Self.numbers.count, capacity: 2)
        }
    }

    private func explore(_ kernel: Kernel) -> ExplorationReport<[UInt32]> {
        var configuration = SimulatorConfiguration(multiprocessors: 1)
        configuration.instructionLimit = 20_000
        return Exploration(schedules: 50, shrinkingRuns: 0, configuration: configuration).run { machine in
            let source = try machine.allocate(Self.numbers, label: "source")
            let output = try machine.allocate([UInt32](repeating: 0, count: Self.numbers.count), label: "output")
            let stream = machine.makeStream(label: "stream", rank: 0)
            try machine.enqueueLaunch(
                Program(kernel), grid: 1, arguments: [.address(source), .address(output)], on: stream)
            try machine.synchronizeAll()
            return try machine.read(UInt32.self, count: Self.numbers.count, from: output)
        }
    }

    @Test func nothingRaces() throws {
        let report = explore(try kernel())
        #expect(report.failure == nil, "\(report)")
        #expect(Array(report.outcomes.keys) == [Self.numbers])
    }

    /// Without any one of its orders there is a race.
    @Test func everyOrderIsNeeded() throws {
        let kernel = try kernel()
        let mutations = kernel.mutations
        #expect(mutations.count { "\($0.change)" == "relaxed" } == 4)
        for mutation in mutations {
            #expect(explore(kernel.applying([mutation])).failure != nil, "\(mutation)")
        }
    }
}
