import Accelerator
import Conformance
import ExpertParallel
import NVSHMEM
import Simulator

/// `swiftep explore`
enum ExploreCommand {
    /// The policies that choose schedules.
    enum PolicyName: String, CaseIterable, Sendable {
        case random, pct, exhaustive
    }

    static let filter = Option<String>.text(
        "filter", "TEXT", help: "Only workloads whose name contains TEXT, or the one whose name it is.")
    static let tokens = Option<Int>.integer(
        "tokens", in: 1...4_096, help: "Tokens of each rank. Default: \(layer.tokens).")
    static let multiprocessors = Option<Int>.integer(
        "sms", in: 2...132, help: "Multiprocessors of each rank. Default: 2.")
    static let sharedExperts = Option<Int>.integer(
        "shared-experts", in: 0...4, help: "Shared experts of each rank, of the routed ones' size. Default: 1.")
    static let policy = Option<PolicyName>.choice(
        "policy",
        help:
            "Where schedules come from: every choice at random, random priorities with few changes (PCT), or all "
            + "there are. Default: random for one half, pct for the other.")
    static let depth = Option<Int>.integer(
        "depth", in: 1...64, help: "Changes of priority of PCT, and one. Default: 3.")
    static let schedules = Option<Int>.integer(
        "schedules", in: 1...1_000_000_000,
        help: "Schedules of each workload. Default: 100, or without limit where --seconds is given.")
    static let time = Option<Double>.positive(
        "seconds", "S", limit: 1_000_000, help: "Seconds for all workloads together.")
    static let seed = Option<UInt64>.seed(help: "Seed of the first schedules. Default: 0.")
    static let plant = Option<String>.text(
        "plant", "TEXT",
        help: "Weaken the operations whose line in --faults contains TEXT, to see that it is found.")
    static let replay = Option<String>(
        "replay", "SCHEDULE", help: "Run one schedule, as a failure prints it.",
        expected: "a schedule as a failure prints it, such as random:7 or choices:12=1,40=3"
    ) { Schedule($0) == nil ? nil : $0 }
    static let list = Option<Bool>.flag("list", help: "Print the names of the workloads instead of running them.")
    static let faults = Option<Bool>.flag("faults", help: "Print the faults that --plant can plant, a line each.")

    /// The layer's sizes where only some are given.
    private static let layer = ShapeOptions.Defaults(
        hidden: 256, intermediate: 128, experts: 4, topK: 2, ranks: 2, tokens: 3)

    static let command = Command(
        name: "explore",
        summary: "Runs kernels under many schedules on a simulator that knows PTX's memory model, and reports races.",
        discussion: [
            "A schedule decides the order of warps, copies and kernels, and what loads see that may see more than one "
                + "value. After each, the outputs are compared with those of a plain simulation.",
            "Without sizes, --overlap or --transport, the workloads are a fixed set that runs every kernel in every "
                + "configuration whose ordering is its own. With one of them, they are two steps of the layer of those "
                + "sizes in each mode, by default \(layer.model), \(layer.ranks) ranks.",
            "The exit code is 0 if nothing was found and 1 if something was.",
        ],
        options: [filter, list, BenchOptions.overlap] + ShapeOptions.model + [
            sharedExperts, ShapeOptions.ranks, tokens, multiprocessors,
        ] + NetworkOptions.all + [
            policy, depth, schedules, time, seed, plant, faults, replay,
            CommonOptions.json,
        ],
        run: { arguments in
            let workloads = try workloads(arguments)
            if arguments[list] || arguments[faults] {
                let lines = arguments[faults] ? try Survey.faults(in: workloads) : workloads.map(\.name)
                if arguments[CommonOptions.json] {
                    try Console.json(lines)
                } else {
                    for line in lines { try Console.result(line) }
                }
                return 0
            }
            return try explore(workloads, arguments)
        })

    private static func explore(_ workloads: [Workload], _ arguments: Arguments) throws -> Int32 {
        let limit = arguments[schedules] ?? (arguments[time] == nil ? 100 : .max / 4)
        let survey = Survey(
            workloads: workloads, policies: try policies(arguments, workloads: workloads.count), schedules: limit,
            seconds: arguments[time], seed: arguments[seed] ?? 0, planted: try planted(arguments, workloads))
        let clock = ContinuousClock()
        let start = clock.now
        let findings = try survey.run { count in
            if count % 20 == 0 { Console.progress("\(count) schedules, \(fixed(seconds(clock.now - start), 0)) s") }
        }
        let report = ExploreReport(findings, seconds: seconds(clock.now - start))
        if arguments[CommonOptions.json] {
            try Console.json(report)
        } else {
            try Console.result(report.text)
        }
        return report.failed == 0 ? 0 : 1
    }

    private static func workloads(_ arguments: Arguments) throws -> [Workload] {
        let modes = arguments[BenchOptions.overlap]
        let sizes = ShapeOptions.model + [ShapeOptions.ranks, tokens, multiprocessors, sharedExperts]
        let hasSizes = sizes.contains { arguments[$0] != nil } || NetworkOptions.all.contains(where: arguments.has)
        let all = modes == nil && !hasSizes ? try Workload.all() : try layers(modes ?? OverlapMode.allCases, arguments)
        guard let filter = arguments[filter] else { return all }
        if let exact = all.first(where: { $0.name == filter }) { return [exact] }
        let some = all.filter { $0.name.contains(filter) }
        guard !some.isEmpty else {
            throw UsageError.conflict(
                "no workload's name contains '\(filter)'; swiftep explore --list prints all \(all.count)")
        }
        return some
    }

    private static func layers(_ modes: [OverlapMode], _ arguments: Arguments) throws -> [Workload] {
        let tokens = arguments[tokens] ?? layer.tokens
        let shape = try ShapeOptions.shape(
            arguments, layer, tokens: tokens, sharedExperts: arguments[sharedExperts] ?? 1)
        try SimulatorMemory.check(shape, weightSets: 1)
        let network = try RankTransport.network(arguments)
        guard arguments[RankTransport.option] != .nvshmem else {
            throw UsageError.conflict("\(NVSHMEMError.needsGPU(device: "the simulator"))")
        }
        let own = arguments[multiprocessors] ?? 2
        var configuration = GroupConfiguration(shape: shape, deviceMultiprocessors: shape.ranks * own)
        configuration.network = network
        do {
            try configuration.validate(deviceMultiprocessors: shape.ranks * own)
        } catch {
            throw UsageError.conflict("\(error)")
        }
        return modes.map {
            .layer(
                shape, tokens: [Int](repeating: tokens, count: shape.ranks), overlap: $0,
                multiprocessors: own, network: network,
                simulated: NetworkOptions.simulated(arguments))
        }
    }

    private static func policies(_ arguments: Arguments, workloads: Int) throws -> [Exploration.Policy] {
        let pct = Exploration.Policy.pct(depth: arguments[depth] ?? 3)
        if let schedule = arguments[replay].flatMap({ Schedule($0) }) {
            guard workloads == 1, arguments[policy] == nil else {
                throw UsageError.conflict(
                    "--replay runs one schedule of one workload, without --policy; of the \(workloads) workloads "
                        + "choose one with --filter")
            }
            return [.replay(schedule)]
        }
        return switch arguments[policy] {
        case .random: [.random]
        case .pct: [pct]
        case .exhaustive: [.exhaustive]
        case nil: [.random, pct]
        }
    }

    /// The fault to plant, which must be in one of the kernels.
    private static func planted(_ arguments: Arguments, _ workloads: [Workload]) throws -> String? {
        guard let text = arguments[plant] else { return nil }
        guard try Survey.faults(in: workloads).contains(where: { $0.contains(text) }) else {
            throw UsageError.conflict("no fault's line contains '\(text)'; swiftep explore --faults prints all")
        }
        return text
    }
}
