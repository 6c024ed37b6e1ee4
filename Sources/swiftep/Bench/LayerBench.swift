import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

/// Times steps of layers with random weights, or of their communication alone, as replays of graphs of several steps
/// each.
final class LayerBench {
    /// The configuration that is measured.
    struct Plan {
        var shape: LayerShape
        var link: LinkModel?
        var communicationMultiprocessors: Int?
        var onFailure: FailurePolicy
        /// How ranks reach each other; nil for loads and stores.
        var network: GroupNetwork?
        var routings = [BenchRouting.even]
        /// Other work between steps; nil for none.
        var between: BetweenWork.Amount?
        /// The part of the L2 that is set aside; nil for the driver's choice, with which the layer's is compared where
        /// there is work between steps.
        var setAside: L2SetAside?

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
    /// Weights of the experts of a rank; layers of any number of tokens are made from them.
    private var weights: BenchWeights?
    /// Microseconds of reading this many bytes.
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
            let floor = try floor(bytes: read.bytes, sets: sets, between: between)
            try processes.meet("a step")
            let expected = try layers.outputs(own)
            var measurements = modes.map { mode in
                LayerMeasurement(
                    tokens: plan.shape.maxTokens, routing: routing,
                    rowsOfExperts: BenchRouting.rows(inputs, plan.shape), mode: mode, weightSets: sets,
                    expertsRead: read.experts, floor: floor)
            }
            processes.progress("\(plan.shape.maxTokens) tokens, \(routing)")
            let choices = plan.setAside.map { [$0] } ?? (between == nil ? [.driver] : [.driver, .layer])
            for choice in choices {
                let share = try choice == .layer ? group.ranks[0].keepInL2() : nil
                try withExtendedLifetime(share) {
                    let times = try measure(
                        layers, modes: modes, between: between, setAside: choice, share: share,
                        inputs: own, expected: expected)
                    for place in modes.indices { measurements[place].times.append(times[place]) }
                }
            }
            result += measurements
        }
        return result
    }

    /// Times steps of each mode as they are chosen, and with work in between less that work's own time. Throws
    /// `ReplayError` for a mode whose outputs are not as expected.
    private func measure(
        _ layers: LayerSets, modes: [OverlapMode], between: BetweenWork?, setAside: L2SetAside, share: L2Share?,
        inputs: [RankInput], expected: [[BFloat16]]
    ) throws -> [LayerMeasurement.Times] {
        let count = WeightSets.launches(steps, sets: layers.count)
        func graphs(_ step: (_ number: Int, _ place: Int) throws -> Void) throws -> [DeviceGraph] {
            try layers.group.ranks.enumerated().map { place, rank in
                try device.capture(on: rank.compute) { for number in 0..<count { try step(number, place) } }
            }
        }
        let alone = try modes.map { mode in try graphs { try layers.enqueue($0, place: $1, mode) } }
        let all =
            try alone
            + (between.map { between in
                try [graphs { try between.enqueue($1, on: layers.group.ranks[$1].compute) }]
                    + modes.map { mode in
                        try graphs { number, place in
                            try layers.enqueue(number, place: place, mode)
                            try between.enqueue(place, on: layers.group.ranks[place].compute)
                        }
                    }
            } ?? [])
        let times = try measure(all, on: layers.group, steps: count)
        for (mode, graphs) in zip(modes, alone) {
            try replay(graphs, on: layers.group)
            try layers.group.synchronize()
            guard try layers.lastOutputs(inputs) == expected else { throw ReplayError(mode: mode) }
        }
        return modes.indices.map { place in
            var result = LayerMeasurement.Times(
                setAside: setAside, setAsideBytes: setAside == .none ? 0 : share?.setAsideBytes, alone: times[place],
                between: nil)
            if between != nil {
                let own = median(times[modes.count]) ?? 0
                result.between = LayerMeasurement.Between(
                    own: own, step: times[modes.count + 1 + place].map { $0 - own })
            }
            return result
        }
    }

    /// Times a dispatch, and a dispatch followed by a combine, one such pair behind the other.
    func communication(_ plan: Plan, dispatchAlone: Bool = true) throws -> (dispatch: Times, both: Times) {
        let group = try group(plan)
        try group.load(processes.local((plan.routings.first ?? .even).inputs(plan.shape)))
        for rank in group.ranks {
            try device.fill(rank.expertOutput, with: 0x3F, on: rank.compute)
        }
        processes.progress("\(plan.shape.maxTokens) tokens")
        func times(_ step: (ExpertRank) throws -> Void) throws -> Times {
            let graphs = try group.ranks.map { rank in
                try device.capture(on: rank.compute) { for _ in 0..<steps { try step(rank) } }
            }
            return try measure([graphs], on: group, steps: steps)[0]
        }
        return (
            try dispatchAlone ? times { try $0.dispatchOnly() } : [],
            try times { rank in
                try rank.dispatch()()
                try rank.combine()()
            }
        )
    }

    /// The weights that a step of the device's ranks has to read: those of experts that have rows, and of shared
    /// experts.
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

    /// Microseconds of a kernel that only reads as many bytes, from each of as many sets in turn as layers have, and
    /// among the same work: the first process measures it for all. It has the device to itself, if processes share it.
    private func floor(bytes: Int, sets: Int, between: BetweenWork?) throws -> Double {
        if let known = floors[bytes] { return known }
        try processes.meet("the floor")
        if processes.isFirst { floors[bytes] = try measureFloor(bytes: bytes, sets: sets, between: between) }
        try processes.meet("the end of the floor")
        let floor = floors[bytes] ?? 0
        floors[bytes] = floor
        return floor
    }

    private func measureFloor(bytes: Int, sets: Int, between: BetweenWork?) throws -> Double {
        let chunks = max(1, bytes / streamChunkBytes)
        let kernel = try device.load(streamKernel(.read))
        let stream = try device.makeStream(label: "floor")
        let source = try device.allocate(bytes: sets * chunks * streamChunkBytes, label: "floor's weights")
        try device.fill(source, with: 0x5A, on: stream)
        let timer = GraphTimer(device.properties.kind, sets: sets)
        func read(_ launch: Int) throws {
            let offset = UInt64(launch % sets * chunks * streamChunkBytes)
            try device.launch(
                kernel, blocks: device.properties.multiprocessors,
                arguments: [.address(source.address + offset), .uint32(UInt32(chunks))], dependentLaunch: false,
                on: stream)
        }
        func others() throws {
            guard let between else { return }
            // Other processes of the device, which have their parts of the work, wait meanwhile.
            for _ in 0..<processes.ranksOnDevice / between.places {
                for place in 0..<between.places { try between.enqueue(place, on: stream) }
            }
        }
        let both = try timer.measure(device, on: stream) { launch in
            try read(launch)
            try others()
        }
        let own = between == nil ? [] : try timer.measure(device, on: stream) { _ in try others() }
        return ((median(both) ?? 0) - (median(own) ?? 0)) / 1e3
    }

    /// Times works of a group side by side: a measurement of each in turn, so that none of them has the device cooler
    /// or its power less used than the others.
    ///
    /// - Parameter works: For each, a graph of `steps` steps for each rank of this process.
    /// - Returns: Microseconds of a step of each, in each measurement.
    private func measure(_ works: [[DeviceGraph]], on group: RankGroup, steps: Int) throws -> [Times] {
        for work in works {
            try processes.meet("a measurement")
            try replay(work, on: group)
        }
        var own = works.map { _ in Times() }
        for _ in 0..<rounds {
            for (number, work) in works.enumerated() {
                try processes.meet("a measurement")
                let time = try clock.measure { for _ in 0..<replays { try replay(work, on: group) } }
                own[number].append(time / Double(steps * replays) / 1e3)
            }
        }
        try group.synchronize()
        return try own.map { own in
            let all = try processes.gather("times", own).compactMap { $0 }
            return own.indices.map { round in all.map { $0[round] }.max() ?? 0 }
        }
    }

    private func replay(_ graphs: [DeviceGraph], on group: RankGroup) throws {
        for (rank, graph) in zip(group.ranks, graphs) { try device.replay(graph, on: rank.compute) }
    }

    private func group(_ plan: Plan, twoBatch: Bool = false) throws -> RankGroup {
        var configuration = GroupConfiguration(
            shape: plan.shape, deviceMultiprocessors: device.properties.multiprocessors,
            ranksOnDevice: processes.ranksOnDevice, communicationMultiprocessors: plan.communicationMultiprocessors,
            waitLimit: DeviceLimits.waitLimit, link: plan.link, network: plan.network)
        configuration.twoBatch = twoBatch
        configuration.onFailure = plan.onFailure
        // The bench holds the share that layers would, so that the same layers are measured with it and without.
        configuration.setsL2Aside = false
        return try processes.makeGroup(configuration)
    }
}
