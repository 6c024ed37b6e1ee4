import Accelerator
import Conformance
import ExpertKernels
import ExpertParallel
import KernelLanguage
import Simulator
import Testing

/// Steps of a layer in which ranks die, stop for a while or are slow, at any instruction.
struct FailureTrial: CustomStringConvertible {
    /// Seconds; the simulator's clock leaps by up to 0.01 while nothing but polling happens.
    static let waitLimit = 0.25
    static let steps = 4

    var seed: UInt64
    var ranks: Int
    var mode: OverlapMode
    /// Multiprocessors of each rank, and how many communicate beside the down GEMM.
    var multiprocessors: Int
    var communicating: Int
    var topK: Int
    var sharedExperts: Int
    /// Whether steps are replays of a graph.
    var isReplayed: Bool
    /// Steps of the same inputs that are enqueued before anything is waited for.
    var stepsAtOnce: Int
    var halts: [RankHalt] = []
    /// nil for loads and stores.
    var network: GroupNetwork?
    /// Of the simulator's network.
    var order = NetworkConfiguration.Order.unordered

    var description: String {
        let halted = halts.map { halt in
            "rank \(halt.rank) after \(halt.afterInstructions)" + (halt.nanoseconds.map { " for \($0) ns" } ?? "")
        }
        return
            "seed \(seed): \(ranks) ranks, \(mode.rawValue), sms \(multiprocessors), communicating \(communicating), "
            + "top-\(topK), shared \(sharedExperts), \(stepsAtOnce) at once" + (isReplayed ? ", replayed" : "")
            + (network.map { ", \($0), \(order.rawValue)" } ?? "")
            + ", \(halted)"
    }

    /// Sizes and mode by the seed; halts come when it is known how long the steps take.
    init(seed: UInt64) {
        var random = SplitMix(seed)
        self.seed = seed
        ranks = 2 + random.below(3)
        mode = OverlapMode.allCases[random.below(OverlapMode.allCases.count)]
        multiprocessors = 2 + random.below(2)
        communicating = random.below(2)
        topK = 1 + random.below(3)
        sharedExperts = random.below(2)
        isReplayed = random.below(3) == 0
        stepsAtOnce = 1 + random.below(2)
    }

    /// The same by a network whose queues hold no more than they have to.
    mutating func useNetwork() throws {
        var random = SplitMix(seed ^ 0x4E7)
        let orders = NetworkConfiguration.Order.allCases
        order = orders[random.below(orders.count)]
        network = GroupNetwork(
            .engine, ranksPerNode: ranks > 2 ? 1 + random.below(2) : 1,
            queueDepth: GroupNetwork.queueEntries(try fixture.shape, halves: mode == .twoBatch))
    }

    /// Up to all ranks but one stop within `instructions`: half of them for ever, some for longer than others wait, and
    /// some for a moment.
    mutating func haltSome(within instructions: UInt64) {
        var random = SplitMix(seed ^ 0x5EED)
        let halted = Array(0..<ranks).shuffled(using: &random).prefix(1 + random.below(ranks - 1))
        halts = halted.map {
            let times = [nil, nil, 2.5, 0.05]
            return RankHalt(
                rank: $0, afterInstructions: UInt64(random.below(Int(instructions))),
                nanoseconds: times[random.below(4)].map { UInt64($0 * Self.waitLimit * 1e9) })
        }
    }

    /// Whether some rank stops for longer than others wait, and then goes on.
    var hasLateRank: Bool { halts.contains { Double($0.nanoseconds ?? 0) > Self.waitLimit * 1e9 } }

    private func ranks(halted isSo: (UInt64?) -> Bool) -> Set<Int> {
        Set(halts.filter { isSo($0.nanoseconds) }.map(\.rank))
    }

    var fixture: LayerFixture {
        get throws {
            let shape = try LayerShape(
                hidden: 128, intermediate: 128, experts: 2 * ranks, topK: topK, ranks: ranks, maxTokens: 3,
                sharedExperts: sharedExperts)
            return LayerFixture(
                shape, tokens: (0..<ranks).map { [3, 2, 3, 1][$0] },
                sharedIntermediate: sharedExperts > 0 ? 128 : nil, seed: UInt64(ranks))
        }
    }

    /// What tells apart trials of different outputs.
    var outputs: String { "\(ranks) \(topK) \(sharedExperts)" }

    func device() -> SimulatedDevice {
        SimulatedDevice(
            configuration: SimulatorConfiguration(
                // Blocks of a dead rank stay where they are, which a machine of its own would have for itself.
                multiprocessors: ranks * multiprocessors * 3, seed: seed, instructionLimit: 400_000_000, halts: halts,
                network: NetworkConfiguration(order: order, queueDepth: network?.queueDepth ?? 64)))
    }

    func layer(on device: SimulatedDevice) throws -> MoELayerGroup {
        let fixture = try fixture
        var configuration = GroupConfiguration(
            shape: fixture.shape, deviceMultiprocessors: ranks * multiprocessors,
            communicationMultiprocessors: communicating, waitLimit: Self.waitLimit)
        configuration.twoBatch = mode == .twoBatch
        configuration.onFailure = .mask
        configuration.network = network
        return try MoELayerGroup(
            RankGroup(device: device, configuration: configuration), shared: fixture.shared(), weights: fixture.weights)
    }

    /// Instructions that the steps take when nothing goes wrong.
    func instructions() throws -> UInt64 {
        var trial = self
        trial.halts = []
        let device = trial.device()
        let layer = try trial.layer(on: device)
        for step in 0..<Self.steps {
            try layer.group.load(fixture.inputs(step: step))
            for rank in layer.group.ranks {
                for _ in 0..<stepsAtOnce { try layer.enqueue(rank, overlap: mode) }
            }
            try layer.group.synchronize()
        }
        return device.statistics.instructions
    }

    /// Runs the steps, and looks after each at masks and outputs of the ranks that were never halted. Then all that
    /// live come together again.
    ///
    /// - Parameter expected: What outputs are made of, by step.
    func run(expected: [ExpectedOutputs]) throws {
        let device = device()
        let layer = try layer(on: device)
        let dead = ranks { $0 == nil }
        let late = ranks { $0.map { $0 > UInt64(Self.waitLimit * 1e9) } ?? false }
        let steady = Set(0..<ranks).subtracting(ranks { _ in true })
        let captured = try isReplayed ? layer.layers.map { try $0.capture(overlap: mode) } : []
        func enqueue(_ rank: Int) throws {
            for _ in 0..<stepsAtOnce {
                if isReplayed {
                    try layer.layers[rank].replay(captured[rank])
                } else {
                    try layer.layers[rank].enqueue(overlap: mode)
                }
            }
        }
        func check(_ rank: Int, step: Int, without: Set<Int>, perhaps: Set<Int>) throws {
            let tokens = try fixture.inputs(step: step)[rank].routing.tokens
            let output = try layer.group.ranks[rank].output(tokens: tokens)
            let wrong = expected[step].firstWrongToken(output, rank: rank, without: without, perhaps: perhaps)
            #expect(wrong == nil, "\(self), step \(step): token \(wrong ?? 0) of rank \(rank) is wrong")
        }
        var masked = [Set<Int>](repeating: [], count: ranks)
        // All steps, and one more in which everybody must have noticed.
        for step in (0..<Self.steps) + [0] {
            try layer.group.load(fixture.inputs(step: step))
            let gone = steady.reduce(into: Set<Int>()) { $0.formUnion(masked[$1]) }
            for rank in 0..<ranks where !gone.contains(rank) { try enqueue(rank) }
            for rank in layer.group.ranks { try rank.synchronize() }
            for rank in steady.sorted() {
                let now = Set(try layer.group.ranks[rank].maskedRanks().map(\.rank))
                #expect(now.isSubset(of: dead.union(late)), "\(self), step \(step): rank \(rank) masked \(now)")
                try check(rank, step: step, without: masked[rank], perhaps: now.subtracting(masked[rank]))
                masked[rank] = now
            }
        }
        // Who died in these steps has been waited for in vain at the last one's beginning at least.
        for rank in steady.sorted() {
            #expect(masked[rank].isSuperset(of: dead), "\(self): rank \(rank) has masked \(masked[rank])")
        }
        try gather(layer, steady: steady, dead: dead)
        try layer.group.load(fixture.inputs(step: 1))
        for rank in Set(0..<ranks).subtracting(dead) { try enqueue(rank) }
        for rank in Set(0..<ranks).subtracting(dead).sorted() {
            try layer.group.ranks[rank].synchronize()
            #expect(Set(try layer.group.ranks[rank].maskedRanks().map(\.rank)) == dead, "\(self): after the gathering")
            try check(rank, step: 1, without: dead, perhaps: [])
        }
    }

    /// Takes all ranks in again that are not dead.
    private func gather(_ layer: MoELayerGroup, steady: Set<Int>, dead: Set<Int>) throws {
        let back = Set(0..<ranks).subtracting(steady).subtracting(dead)
        let group = layer.group.ranks
        guard let first = steady.min() else { return }
        for rank in steady { for other in back { try group[rank].mask(other) } }
        for rank in back {
            try group[rank].adopt(step: group[first].currentStep())
            for other in dead { try group[rank].mask(other) }
        }
        for rank in steady { for other in back { try group[rank].unmask(other) } }
    }
}

/// A stream of random numbers that is the same everywhere.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// 0 ..< `limit`.
    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
}
