import Accelerator
import ExpertKernels
import ExpertParallel

/// Times steps of layers with random weights, or of their communication alone, as replays of graphs of several steps
/// each.
final class LayerBench {
    /// What is measured.
    struct Plan {
        var shape: LayerShape
        var link: LinkModel?
        var communicationMultiprocessors: Int?
        var onFailure: FailurePolicy
        /// How ranks reach each other; nil for loads and stores.
        var network: GroupNetwork?
        var routings = [BenchRouting.even]
        /// What happens between steps.
        var between: BetweenWork.Amount?
        /// What of the L2 is set aside.
        var setAside = L2SetAside.layer

        /// Whether rows arrive later than they are written.
        var isModelled: Bool { link != nil || network?.model != nil }

        /// The same where rows arrive as they are written.
        var unmodelled: Plan {
            var plan = self
            plan.link = nil
            plan.network?.model = nil
            return plan
        }
    }

    let processes: Processes
    private let clock: DeviceClock
    /// Fewest steps in a graph, replays of it in a measurement, and measurements.
    private let steps: Int
    private let replays: Int
    private let rounds: Int
    /// Of the experts of a rank; layers of any number of tokens are made from them.
    private var weights: BenchWeights?
    /// Microseconds of reading as many bytes.
    private var floors: [Int: Double] = [:]

    var device: any Device { processes.device }

    /// A bench for all processes, which do the same.
    init(_ processes: Processes) throws {
        self.processes = processes
        let device = processes.device
        clock = try DeviceClock(device)
        (steps, replays, rounds) = device.properties.kind == .cuda ? (20, 5, 9) : (1, 1, 1)
    }

    /// Microseconds of one step in each measurement.
    typealias Times = [Double]

    /// Times layers in several modes: the slowest process's. Throws `ReplayError` when modes or layers give different
    /// bits.
    func layer(_ plan: Plan, modes: [OverlapMode]) throws -> [LayerMeasurement] {
        let group = try group(plan, twoBatch: modes.contains(.twoBatch))
        let weights = try self.weights ?? BenchWeights(device, plan.shape)
        self.weights = weights
        let inputs = plan.routings.map { $0.inputs(plan.shape) }
        let reads = try inputs.map { try read($0, of: group, weights) }
        let sets = reads.map(\.sets).max() ?? 1
        let layers = try LayerSets(group, weights, count: sets)
        let between = try plan.between.map { try BetweenWork(group, $0) }
        var result: [LayerMeasurement] = []
        for (routing, (inputs, read)) in zip(plan.routings, zip(inputs, reads)) {
            let own = processes.local(inputs)
            let floor = try floor(bytes: read.bytes, sets: sets)
            try processes.meet("a step")
            let expected = try layers.outputs(own)
            for mode in modes {
                processes.progress("\(plan.shape.maxTokens) tokens, \(routing), overlap \(mode.rawValue)")
                var measurement = LayerMeasurement(
                    tokens: plan.shape.maxTokens, routing: routing,
                    rowsOfExperts: BenchRouting.rows(inputs, plan.shape), mode: mode, weightSets: sets,
                    expertsRead: read.experts, floor: floor)
                // With work in between, both sides of the choice are measured, one after the other.
                let choices = between != nil && plan.setAside == .layer ? [L2SetAside.layer, .driver] : [plan.setAside]
                for choice in choices {
                    let share = try choice == .layer ? group.ranks[0].keepInL2() : nil
                    let times = try withExtendedLifetime(share) {
                        try measure(layers, mode: mode, between: between, setAside: choice, share: share)
                    }
                    measurement.times.append(times)
                    guard try layers.lastOutputs(own) == expected else { throw ReplayError(mode: mode) }
                }
                result.append(measurement)
            }
        }
        return result
    }

    /// Times steps of a mode as they are chosen, and with work in between less that work's own time.
    private func measure(
        _ layers: LayerSets, mode: OverlapMode, between: BetweenWork?, setAside: L2SetAside, share: L2Share?
    ) throws -> LayerMeasurement.Times {
        let count = WeightSets.launches(steps, sets: layers.count)
        func time(_ step: (_ number: Int, _ place: Int) throws -> Void) throws -> Times {
            let graphs = try layers.group.ranks.enumerated().map { place, rank in
                try device.capture(on: rank.compute) { for number in 0..<count { try step(number, place) } }
            }
            let times = try measure(steps: count) {
                for (rank, graph) in zip(layers.group.ranks, graphs) { try device.replay(graph, on: rank.compute) }
            }
            try layers.group.synchronize()
            return times
        }
        let alone = try time { try layers.enqueue($0, place: $1, mode) }
        var result = LayerMeasurement.Times(
            setAside: setAside, setAsideBytes: setAside == .none ? 0 : share?.setAsideBytes, alone: alone,
            between: nil)
        guard let between else { return result }
        let work = try time { try between.enqueue($1, of: layers.group) }
        let both = try time { number, place in
            try layers.enqueue(number, place: place, mode)
            try between.enqueue(place, of: layers.group)
        }
        let own = median(work) ?? 0
        result.between = LayerMeasurement.Between(own: own, step: both.map { $0 - own })
        return result
    }

    /// Times a dispatch, and a dispatch followed by a combine, one such pair behind the other.
    func communication(_ plan: Plan, dispatchAlone: Bool = true) throws -> (dispatch: Times, both: Times) {
        let group = try group(plan)
        try group.load(processes.local((plan.routings.first ?? .even).inputs(plan.shape)))
        for rank in group.ranks {
            try device.fill(rank.expertOutput, with: 0x3F, on: rank.compute)
        }
        processes.progress("\(plan.shape.maxTokens) tokens")
        func times(_ step: @escaping (ExpertRank) throws -> Void) throws -> Times {
            let graphs = try group.ranks.map { rank in
                try device.capture(on: rank.compute) { for _ in 0..<steps { try step(rank) } }
            }
            let times = try measure(steps: steps) {
                for (rank, graph) in zip(group.ranks, graphs) { try device.replay(graph, on: rank.compute) }
            }
            try group.synchronize()
            return times
        }
        return (
            try dispatchAlone ? times { try $0.dispatchOnly() } : [],
            try times { rank in
                try rank.dispatch()()
                try rank.combine()()
            }
        )
    }

    /// What a step of the device's ranks has to read: weights of experts that have rows, and of shared experts.
    private func read(
        _ inputs: [RankInput], of group: RankGroup, _ weights: BenchWeights
    ) throws -> (experts: Int, bytes: Int, sets: Int) {
        let shape = group.configuration.shape
        let rows = BenchRouting.rows(inputs, shape)
        let here = (0..<shape.ranks).filter { group.ranks[0].transport.reach(of: $0) == .sameDevice }
        let routed = here.flatMap { $0 * shape.localExperts..<($0 + 1) * shape.localExperts }.count { rows[$0] > 0 }
        let own = routed + here.count * shape.sharedExperts
        // The slowest of several devices counts.
        let experts = try processes.gather("experts with rows", own).compactMap { $0 }.max() ?? own
        let sets = WeightSets.count(
            read: experts * weights.expertBytes,
            allocated: here.count * shape.rankExperts * weights.expertBytes,
            l2Bytes: device.properties.l2Bytes, memoryBytes: device.properties.memoryBytes)
        return (experts, experts * weights.expertBytes, sets)
    }

    /// Microseconds of a kernel that only reads as many bytes, from each of as many sets in turn as layers have: the
    /// first process measures it for all. It has the device to itself, if processes share it.
    private func floor(bytes: Int, sets: Int) throws -> Double {
        if let known = floors[bytes] { return known }
        try processes.meet("the floor")
        if processes.isFirst { floors[bytes] = try measureFloor(bytes: bytes, sets: sets) }
        try processes.meet("the end of the floor")
        let floor = floors[bytes] ?? 0
        floors[bytes] = floor
        return floor
    }

    private func measureFloor(bytes: Int, sets: Int) throws -> Double {
        let chunks = max(1, bytes / streamChunkBytes)
        let kernel = try device.load(streamKernel(.read))
        let stream = try device.makeStream(label: "floor")
        let source = try device.allocate(bytes: sets * chunks * streamChunkBytes, label: "floor's weights")
        try device.fill(source, with: 0x5A, on: stream)
        let times = try GraphTimer(device.properties.kind, sets: sets).measure(device, on: stream) { launch in
            let offset = UInt64(launch % sets * chunks * streamChunkBytes)
            try device.launch(
                kernel, blocks: device.properties.multiprocessors,
                arguments: [.address(source.address + offset), .uint32(UInt32(chunks))], dependentLaunch: false,
                on: stream)
        }
        return (median(times) ?? 0) / 1e3
    }

    private func measure(steps: Int, _ replay: () throws -> Void) throws -> Times {
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
            waitLimit: DeviceLimits.waitLimit, link: plan.link, network: plan.network)
        configuration.twoBatch = twoBatch
        configuration.onFailure = plan.onFailure
        // The bench holds what layers would, so that the same layers are measured with it and without.
        configuration.setsL2Aside = false
        return try processes.makeGroup(configuration)
    }
}
