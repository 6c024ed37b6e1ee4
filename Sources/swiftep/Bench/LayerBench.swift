import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

/// Times steps of a layer with random weights, or of its communication alone, as replays of graphs of several steps
/// each.
struct LayerBench {
    /// What is measured.
    struct Plan {
        var shape: LayerShape
        var link: LinkModel?
        var communicationMultiprocessors: Int?
        var onFailure: FailurePolicy
        /// How ranks reach each other; nil for loads and stores.
        var network: GroupNetwork?
    }

    private let processes: Processes
    private let clock: DeviceClock
    /// Steps in a graph, replays of it in a measurement, and measurements.
    private let steps: Int
    private let replays: Int
    private let rounds: Int

    private var device: any Device { processes.device }

    /// A bench for all processes, which do the same.
    init(_ processes: Processes) throws {
        self.processes = processes
        let device = processes.device
        clock = try DeviceClock(device)
        (steps, replays, rounds) = device.properties.kind == .cuda ? (10, 5, 9) : (1, 1, 1)
    }

    /// Microseconds of one step in each measurement.
    typealias Times = [Double]

    /// Times a layer in several modes: the slowest process's. Throws `ReplayError` when modes give different bits.
    func layer(_ plan: Plan, modes: [OverlapMode]) throws -> [Times] {
        let expert = try Self.expert(plan.shape)
        let inputs = processes.local(Self.inputs(plan.shape))
        let group = try group(plan, twoBatch: modes.contains(.twoBatch))
        let layer = try MoELayerGroup(group, shared: plan.shape.sharedExperts > 0 ? expert : nil) { _ in expert }
        try processes.meet("a step")
        let expected = try layer.step(inputs, overlap: .none)
        return try modes.map { mode in
            processes.progress("\(plan.shape.maxTokens) tokens, overlap \(mode.rawValue)")
            let graph = try layer.capture(overlap: mode, steps: steps)
            let times = try measure { try layer.replay(graph) }
            try group.synchronize()
            guard try layer.outputs(inputs) == expected else { throw ReplayError(mode: mode) }
            return times
        }
    }

    /// Times a dispatch, and a dispatch followed by a combine.
    func communication(_ plan: Plan) throws -> (dispatch: Times, both: Times) {
        let group = try group(plan)
        try group.load(processes.local(Self.inputs(plan.shape)))
        for rank in group.ranks {
            try device.fill(rank.expertOutput, with: 0x3F, on: rank.compute)
        }
        processes.progress("\(plan.shape.maxTokens) tokens")
        func times(_ step: @escaping (ExpertRank) throws -> Void) throws -> Times {
            let graphs = try group.ranks.map { rank in
                try device.capture(on: rank.compute) { for _ in 0..<steps { try step(rank) } }
            }
            let times = try measure {
                for (rank, graph) in zip(group.ranks, graphs) { try device.replay(graph, on: rank.compute) }
            }
            try group.synchronize()
            return times
        }
        return (
            try times { try $0.dispatchOnly() },
            try times { rank in
                try rank.dispatch()()
                try rank.combine()()
            }
        )
    }

    /// Microseconds of a kernel that only reads the weights of all experts of this process's device; it has them to
    /// itself, if processes share it.
    func floor(_ plan: Plan) throws -> Double {
        let shape = plan.shape
        let experts = processes.ranksOnDevice * shape.rankExperts
        let chunks = experts * 3 * shape.intermediate * shape.hidden / streamChunkBytes
        let kernel = try device.load(streamKernel(.read))
        let stream = try device.makeStream(label: "floor")
        let source = try device.allocate(bytes: chunks * streamChunkBytes, label: "floor's weights")
        try device.fill(source, with: 0x5A, on: stream)
        let times = try GraphTimer(device.properties.kind).measure(device, on: stream) { _ in
            try device.launch(
                kernel, blocks: device.properties.multiprocessors,
                arguments: [.address(source.address), .uint32(UInt32(chunks))], dependentLaunch: false, on: stream)
        }
        return (median(times) ?? 0) / 1e3
    }

    /// What the busiest link carries in a step; nil without links.
    static func linkTime(_ plan: Plan) -> LinkTime? {
        guard let link = plan.link else { return nil }
        let shape = plan.shape
        let window = RankWindow(shape, .float8, link: link)
        let rows = inputs(shape).map { input in
            var rows = [Int](repeating: 0, count: shape.ranks)
            for expert in input.routing.experts where expert >= 0 { rows[Int(expert) / shape.localExperts] += 1 }
            return rows
        }
        // Rows go one way with dispatch and come back the other way with combine.
        return rows.indices.flatMap { source in
            rows.indices.filter { $0 != source }.map { owner in
                LinkTime(
                    dispatch: link.microseconds(bytes: rows[source][owner] * window.dispatchedBytes),
                    combine: link.microseconds(bytes: rows[source][owner] * window.combinedBytes),
                    latency: link.microseconds(bytes: 0))
            }
        }.max { $0.total < $1.total }
    }

    private func measure(_ replay: () throws -> Void) throws -> Times {
        try processes.meet("a measurement")
        try replay()
        let own = try (0..<rounds).map { _ in
            try processes.meet("a measurement")
            return try clock.measure { for _ in 0..<replays { try replay() } } / Double(steps * replays) / 1e3
        }
        let all = try processes.gather("times", own).compactMap { $0 }
        return own.indices.map { round in all.map { $0[round] }.max() ?? 0 }
    }

    private func group(_ plan: Plan, twoBatch: Bool = false) throws -> RankGroup {
        var configuration = GroupConfiguration(
            shape: plan.shape, deviceMultiprocessors: device.properties.multiprocessors,
            ranksOnDevice: processes.ranksOnDevice, communicationMultiprocessors: plan.communicationMultiprocessors,
            waitLimit: DeviceLimits.waitLimit,
            link: plan.link)
        configuration.twoBatch = twoBatch
        configuration.onFailure = plan.onFailure
        configuration.network = plan.network
        return try processes.makeGroup(configuration)
    }

    /// All experts have the same random weights, each in memory of its own.
    private static func expert(_ shape: LayerShape) throws -> ExpertWeights {
        var random = RandomStream(seed: 1, name: "weights")
        let table = GaussianFloat8Table()
        func matrix(_ rows: Int, _ columns: Int) throws -> QuantisedMatrix {
            let values = table.codes(rows * columns, from: &random)
            let scales = [Float](repeating: 1e-3, count: (rows / 128) * (columns / 128))
            return try QuantisedMatrix(rows: rows, columns: columns, values: values, scales: scales)
        }
        return ExpertWeights(
            gate: try matrix(shape.intermediate, shape.hidden), up: try matrix(shape.intermediate, shape.hidden),
            down: try matrix(shape.hidden, shape.intermediate))
    }

    /// Random tokens, each with different random experts.
    private static func inputs(_ shape: LayerShape) -> [RankInput] {
        (0..<shape.ranks).map { rank in
            var random = RandomStream(seed: 1, name: "input of rank \(rank)")
            let tokens = shape.maxTokens
            let states = (0..<tokens * shape.hidden).map { _ in BFloat16(random.normal()) }
            let experts = (0..<tokens).flatMap { _ in
                (0..<Int64(shape.experts)).shuffled(using: &random).prefix(shape.topK)
            }
            let weights = (0..<tokens * shape.topK).map { _ in 0.1 + random.uniform() }
            return RankInput(
                hiddenStates: states,
                routing: Routing(tokens: tokens, topK: shape.topK, experts: experts, weights: weights))
        }
    }
}
