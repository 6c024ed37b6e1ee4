import KernelLanguage
import Simulator
import Testing

/// A few threads that each read and write a few words, and all that they may see.
struct Litmus {
    /// Where the threads are with respect to each other.
    enum Placement: String, CaseIterable {
        /// Warps of one block.
        case warps
        /// Blocks of one kernel.
        case blocks
        /// Kernels of different ranks.
        case ranks
        /// Kernels of different ranks, of which each has the words at addresses of its own.
        case mappings

        /// The narrowest scope that holds all threads.
        var scope: MemoryScope {
            switch self {
            case .warps: .block
            case .blocks: .gpu
            case .ranks, .mappings: .system
            }
        }

        /// Whether each thread is a kernel.
        var isOfRanks: Bool { self == .ranks || self == .mappings }
    }

    /// What a thread does; gives what it read.
    typealias Thread = (KernelBuilder, [Pointer<UInt32>]) -> [Value<UInt32>]

    static let words = 4
    private static let reads = 4

    let placement: Placement
    let threads: [Thread]

    init(_ placement: Placement, _ threads: Thread...) {
        self.placement = placement
        self.threads = threads
    }

    private var kernel: Kernel {
        get throws {
            try KernelBuilder.build("litmus", threads: placement == .warps ? 32 * threads.count : 32) { k in
                let memory = (0..<Self.words).map { k.pointerParameter("word\($0)", to: UInt32.self) }
                let results = k.pointerParameter("results", to: UInt32.self)
                let number = k.parameter("number", UInt32.self)
                let own =
                    switch placement {
                    case .warps: k.warpIndex
                    case .blocks: k.blockIndex
                    case .ranks, .mappings: number
                    }
                for (index, thread) in threads.enumerated() {
                    k.if(own == k.constant(UInt32(index)) && k.isFirstLane) {
                        for (read, value) in thread(k, memory).enumerated() {
                            k.store(value, to: results + (index * Self.reads + read))
                        }
                    }
                }
            }
        }
    }

    /// 2+2W: two threads write two words in opposite orders.
    static func twoPlusTwoWrites(_ order: MemoryOrder.Strength) -> Litmus {
        func thread(_ first: Int, _ second: Int) -> Thread {
            { k, m in
                k.store(k.constant(1), to: m[first], order: MemoryOrder(order, .gpu))
                k.store(k.constant(2), to: m[second], order: MemoryOrder(order, .gpu))
                return []
            }
        }
        return Litmus(.blocks, thread(0, 1), thread(1, 0))
    }

    /// All that the first `count` words may hold in the end.
    func finalWords(_ count: Int) throws -> Set<String> {
        Set(try outcomes(final: Array(0..<count)).map { String($0.dropFirst("| ".count)) })
    }

    /// Every outcome under every schedule: what the threads read, one after the other, or "race".
    ///
    /// - Parameter final: Words whose values in the end belong to the outcome too, behind a bar.
    func outcomes(
        _ policy: Exploration.Policy = .exhaustive, schedules: Int = 200_000, final: [Int] = []
    ) throws -> Set<String> {
        let program = try Program(kernel)
        var configuration = SimulatorConfiguration(multiprocessors: 4)
        configuration.postponesAccesses = true
        let exploration = Exploration(
            policy: policy, schedules: schedules, configuration: configuration)
        let report = exploration.run { machine in
            do { return try run(program, on: machine, final: final) } catch SimulationError.race { return "race" }
        }
        if let failure = report.failure { throw failure }
        if case .exhaustive = policy { #expect(report.isComplete, "\(report)") }
        return Set(report.outcomes.keys)
    }

    private func run(_ program: Program, on machine: SimulatedMachine, final: [Int]) throws -> String {
        var words: [UInt64] = []
        for index in 0..<Self.words {
            words.append(try machine.allocate([UInt64](repeating: 0, count: 2), label: "word \(index)"))
        }
        let bytes = threads.count * Self.reads * 4
        let results = try machine.allocate(bytes: bytes, label: "results")
        try machine.fill(bytes: bytes, value: 0xFF, at: results)
        for number in 0..<(placement.isOfRanks ? threads.count : 1) {
            let stream = machine.makeStream(label: "rank \(number)", rank: number)
            let words = try words.map {
                placement == .mappings && number > 0
                    ? try machine.alias(of: $0, label: "of rank \(number)") : $0
            }
            try machine.enqueueLaunch(
                program, grid: placement == .blocks ? threads.count : 1,
                arguments: words.map { .address($0) } + [.address(results), .uint32(UInt32(number))], on: stream)
        }
        try machine.synchronizeAll()
        let values = try machine.read(UInt32.self, count: threads.count * Self.reads, from: results)
        var outcome = values.filter { $0 != .max }.map(String.init)
        if !final.isEmpty {
            outcome.append("|")
            for word in final {
                outcome.append("\(try machine.read(UInt32.self, count: 1, from: words[word])[0])")
            }
        }
        return outcome.joined(separator: " ")
    }
}
