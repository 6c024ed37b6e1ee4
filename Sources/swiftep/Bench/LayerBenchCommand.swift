import Accelerator
import ExpertKernels
import ExpertParallel

/// `swiftep bench dispatch`, `combine` and `layer`
enum LayerBenchCommand {
    private static let tokens = BenchOptions.tokens(of: "rank", standard: "8,32,64,128, on the simulator 8")
    private static let sharedExpert = Option<Bool>.flag(
        "shared-expert", help: "With a shared expert of the routed ones' size on each rank.")

    /// Sizes where nothing was asked for.
    private static let cuda = ShapeOptions.Defaults(
        hidden: 7168, intermediate: 2048, experts: 16, topK: 8, ranks: 1, tokens: 128)
    private static let simulator = ShapeOptions.Defaults(
        hidden: 512, intermediate: 256, experts: 16, topK: 4, ranks: 2, tokens: 8)

    private static let discussion =
        "Steps are captured in graphs, several in a row, and replayed. Tokens and routing are random, from a fixed "
        + "seed. Without sizes: \(cuda.model), \(cuda.ranks) rank; on the simulator \(simulator.model), "
        + "\(simulator.ranks) ranks."

    static let dispatch = Command(
        name: "dispatch",
        summary: "Measures sending tokens to their experts' ranks and receiving them.",
        discussion: [discussion],
        options: communicationOptions,
        run: { arguments in
            try run(arguments, floor: false) { bench, plan, report in
                let times = try bench.communication(plan)
                report.add(plan.shape, "dispatch", times.dispatch)
            }
        })

    static let combine = Command(
        name: "combine",
        summary: "Measures sending the experts' results home and adding them up.",
        discussion: [
            discussion,
            "A combine needs a dispatch before it. What is given is the time of both, less the median of a dispatch "
                + "alone.",
        ],
        options: communicationOptions,
        run: { arguments in
            try run(arguments, floor: false) { bench, plan, report in
                let times = try bench.communication(plan)
                let dispatch = median(times.dispatch) ?? 0
                report.add(plan.shape, "combine", times.both.map { $0 - dispatch })
            }
        })

    static let layer = Command(
        name: "layer",
        summary: "Measures a whole step of a layer, in several modes.",
        discussion: [
            discussion,
            "The floor is a kernel that only reads the weights of all experts; the ideal is the larger of it and of "
                + "the time for which the busiest link carries rows. With links every mode is measured without them "
                + "as well; \"hidden\" is the share of the link's time by which the step does not become longer, and "
                + "\"of what can be\" the same as a share of what a step can hide: rows come in under gate and up, "
                + "and go home under the down GEMM but for those of the first and the last expert. Ranks that share a "
                + "GPU hide some even without overlap: while one waits, the other has the memory to itself.",
        ],
        options: [
            tokens, BenchOptions.overlap, sharedExpert, BenchOptions.communication, BenchOptions.link,
            ShapeOptions.ranks, ProcessOptions.processes, ProcessOptions.onFailure, RankTransport.option,
            ShapeOptions.hidden, ShapeOptions.intermediate,
            ShapeOptions.experts, ShapeOptions.topK,
            DeviceOptions.device, CommonOptions.json,
        ],
        run: { arguments in
            let modes = arguments[BenchOptions.overlap] ?? OverlapMode.allCases
            return try run(arguments, floor: true) { bench, plan, report in
                let link = LayerBench.linkTime(plan)
                var unlinked = plan
                unlinked.link = nil
                let without = plan.link == nil ? nil : try bench.layer(unlinked, modes: modes).map { median($0) }
                for (index, times) in try bench.layer(plan, modes: modes).enumerated() {
                    report.add(
                        plan.shape, modes[index].rawValue, times, link: link, withoutLink: without?[index])
                }
            }
        })

    private static var communicationOptions: [any AnyOption] {
        [
            tokens, BenchOptions.link, ShapeOptions.ranks, ProcessOptions.processes, ProcessOptions.onFailure,
            RankTransport.option, ShapeOptions.hidden,
            ShapeOptions.experts, ShapeOptions.topK,
            DeviceOptions.device, CommonOptions.json,
        ]
    }

    /// Measures every number of tokens and prints the report.
    private static func run(
        _ arguments: Arguments, floor: Bool, _ body: (LayerBench, LayerBench.Plan, inout LayerReport) throws -> Void
    ) throws -> Int32 {
        try withProcesses(
            arguments,
            ranks: { try ShapeOptions.ranks(arguments, $1.kind == .cuda ? cuda : simulator, processes: $0) }, seed: 1,
            longestWait: DeviceLimits.waitLimit
        ) { try run(arguments, floor: floor, $0, body) }
    }

    /// The part of one process; the first one reports.
    private static func run(
        _ arguments: Arguments, floor: Bool, _ processes: Processes,
        _ body: (LayerBench, LayerBench.Plan, inout LayerReport) throws -> Void
    ) throws -> Int32 {
        let device = processes.device
        let isCUDA = device.properties.kind == .cuda
        let counts = arguments[tokens] ?? (isCUDA ? [8, 32, 64, 128] : [8])
        let sizes = isCUDA ? cuda : simulator
        let network = try RankTransport.network(arguments)
        let plans = try counts.map { count in
            LayerBench.Plan(
                shape: try ShapeOptions.shape(
                    arguments, sizes, ranks: processes.ranks, tokens: count,
                    sharedExperts: arguments[sharedExpert] ? 1 : 0),
                link: arguments[BenchOptions.link],
                communicationMultiprocessors: arguments[BenchOptions.communication],
                onFailure: arguments[ProcessOptions.onFailure] ?? .stop, network: network)
        }
        try ProcessOptions.check(plans[0].onFailure, link: plans[0].link)
        for plan in plans {
            // What has no weights has no floor, which is the time of reading them.
            try DeviceLimits.check(
                arguments, plan.shape, on: processes, waitLimit: DeviceLimits.waitLimit, weights: floor)
        }
        let bench = try LayerBench(processes)
        // Processes that share a device leave it to the first of them.
        let measuresFloor = floor && processes.isFirst
        var report = LayerReport(processes, plans[0], floor: measuresFloor ? try bench.floor(plans[0]) : nil)
        for plan in plans { try body(bench, plan, &report) }
        guard processes.isFirst else { return 0 }
        if arguments[CommonOptions.json] {
            try Console.json(report)
        } else {
            try Console.result(report.text)
        }
        return 0
    }
}
