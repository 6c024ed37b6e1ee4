import Accelerator
import ExpertKernels
import ExpertParallel

/// `swiftep bench dispatch`, `combine`, `dispatch-combine` and `layer`
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
        + "seed; how many rows each expert gets is printed. Without sizes: \(cuda.model), \(cuda.ranks) rank; on the "
        + "simulator \(simulator.model), \(simulator.ranks) ranks."
    private static let rate =
        "GB/s are those of the rows that a rank sends: FP8 with scales on their way to experts, BF16 on their way home."

    static let dispatch = Command(
        name: "dispatch",
        summary: "Measures sending tokens to their experts' ranks and receiving them.",
        discussion: [discussion, rate],
        options: oneWayOptions,
        run: { arguments in
            try run(arguments, "dispatch") { bench, plan, report in
                let times = try bench.communication(plan)
                report.add(plan, "dispatch", times.dispatch, rowBytes: plan.rowBytes.dispatch, modelled: \.dispatch)
            }
        })

    static let combine = Command(
        name: "combine",
        summary: "Measures sending the experts' results home and adding them up.",
        discussion: [
            discussion,
            "A combine needs a dispatch before it. What is given is the time of both, less the median of a dispatch "
                + "alone.", rate,
        ],
        options: oneWayOptions,
        run: { arguments in
            try run(arguments, "combine") { bench, plan, report in
                let times = try bench.communication(plan)
                let dispatch = median(times.dispatch) ?? 0
                report.add(
                    plan, "combine", times.both.map { $0 - dispatch }, rowBytes: plan.rowBytes.combine,
                    modelled: \.combine)
            }
        })

    static let pair = Command(
        name: "dispatch-combine",
        summary: "Measures pairs of dispatch and combine, one behind the other.",
        discussion: [
            discussion, "This is the headline of public benchmarks: microseconds of a pair, with no experts between.",
            rate,
        ],
        options: communicationOptions,
        run: { arguments in
            try run(arguments, "dispatch-combine") { bench, plan, report in
                let bytes = plan.rowBytes
                let pairs = try bench.communication(plan, dispatchAlone: false).both
                report.add(plan, "pair", pairs, rowBytes: bytes.dispatch + bytes.combine, modelled: \.total)
            }
        })

    static let layer = Command(
        name: "layer",
        summary: "Measures a whole step of a layer, in several modes.",
        discussion: [
            discussion,
            "Steps go round several layers with weights of their own, as many as it takes for three times the L2 "
                + "between two uses of the same weights. The floor is a kernel that only reads the weights of experts "
                + "that have rows, round as many sets; the ideal is the larger of it and of "
                + "the time for which the busiest link, or the busiest network card in each direction, carries rows. With links or "
                + "cards every mode is measured without them as well; \"hidden\" is the share of their time by which "
                + "the step does not become longer, and "
                + "\"of what can be\" the same as a share of what a step can hide: rows come in under gate and up, "
                + "and go home under the down GEMM but for those of the first and the last expert. Ranks that share a "
                + "GPU hide some even without overlap: while one waits, the other has the memory to itself.",
            "With --between, steps are measured among other work, whose own time, measured alone in graphs of the same "
                + "form, is taken out, and so is the floor. Layers with a part of the L2 set aside are measured as well: "
                + "what it gains a step, and what it costs the other work.",
        ],
        options: [
            tokens, BenchOptions.overlap, BenchOptions.skew, BenchOptions.between, BenchOptions.setAside, sharedExpert,
            BenchOptions.communication, BenchOptions.link,
            ShapeOptions.ranks, ProcessOptions.processes, ProcessOptions.onFailure,
        ] + NetworkOptions.all + [
            ShapeOptions.hidden, ShapeOptions.intermediate, ShapeOptions.experts, ShapeOptions.topK,
            DeviceOptions.device, ResultOptions.results, ResultOptions.commit, CommonOptions.json,
        ],
        run: { arguments in
            let modes = arguments[BenchOptions.overlap] ?? OverlapMode.allCases
            return try run(arguments, "layer", weights: true) { bench, plan, report in
                let without = try plan.isModelled ? bench.layer(plan.unmodelled, modes: modes) : nil
                for (index, measured) in try bench.layer(plan, modes: modes).enumerated() {
                    report.add(plan, measured, withoutLink: without?[index])
                }
            }
        })

    /// A modelled card needs steps that come home: in a dispatch alone it could get the next dispatch before this one
    /// is read.
    private static let oneWayOptions = communicationOptions.filter { $0.name != NetworkOptions.link.name }

    private static var communicationOptions: [any AnyOption] {
        [
            tokens, BenchOptions.skew, BenchOptions.link, ShapeOptions.ranks, ProcessOptions.processes,
            ProcessOptions.onFailure,
        ] + NetworkOptions.all + [
            ShapeOptions.hidden, ShapeOptions.experts, ShapeOptions.topK,
            DeviceOptions.device, ResultOptions.results, ResultOptions.commit, CommonOptions.json,
        ]
    }

    /// Measures every number of tokens and prints the report.
    ///
    /// - Parameters:
    ///   - what: The benchmark's name.
    ///   - weights: Whether experts are computed, and have weights.
    private static func run(
        _ arguments: Arguments, _ what: String, weights: Bool = false,
        _ body: (LayerBench, LayerBench.Plan, inout LayerReport) throws -> Void
    ) throws -> Int32 {
        try withProcesses(
            arguments,
            ranks: { try ShapeOptions.ranks(arguments, $1.kind == .cuda ? cuda : simulator, processes: $0) }, seed: 1,
            longestWait: DeviceLimits.waitLimit
        ) { try run(arguments, what, weights: weights, $0, body) }
    }

    /// The part of one process; the first one reports.
    private static func run(
        _ arguments: Arguments, _ what: String, weights: Bool, _ processes: Processes,
        _ body: (LayerBench, LayerBench.Plan, inout LayerReport) throws -> Void
    ) throws -> Int32 {
        let output = processes.isFirst ? try BenchOutput(arguments) : nil
        let plans = try plans(arguments, processes, weights: weights)
        let bench = try LayerBench(processes)
        var report = LayerReport(processes, plans[0])
        for plan in plans { try body(bench, plan, &report) }
        try output?.write(report, bench: what, from: processes.device)
        return 0
    }

    /// The plans that are asked for, one for each number of tokens, and of communication for each routing. Refuses
    /// those that are not possible.
    private static func plans(
        _ arguments: Arguments, _ processes: Processes, weights: Bool
    ) throws -> [LayerBench.Plan] {
        let isCUDA = processes.device.properties.kind == .cuda
        let counts = arguments[tokens] ?? (isCUDA ? [8, 32, 64, 128] : [8])
        let network = try RankTransport.network(arguments)
        let routings = [BenchRouting.even] + (arguments[BenchOptions.skew].map { [.skewed($0)] } ?? [])
        let plans = try counts.flatMap { count in
            let plan = LayerBench.Plan(
                shape: try ShapeOptions.shape(
                    arguments, isCUDA ? cuda : simulator, ranks: processes.ranks, tokens: count,
                    sharedExperts: arguments[sharedExpert] ? 1 : 0),
                link: arguments[BenchOptions.link],
                communicationMultiprocessors: arguments[BenchOptions.communication],
                onFailure: arguments[ProcessOptions.onFailure] ?? .stop, network: network, routings: routings,
                between: arguments[BenchOptions.between], setAside: arguments[BenchOptions.setAside])
            return weights ? [plan] : routings.map { plan.with($0) }
        }
        try ProcessOptions.check(plans[0].onFailure, link: plans[0].link)
        for plan in plans {
            // Two layers on the simulator, and the weights that they are packed from.
            try DeviceLimits.check(
                arguments, plan.shape, on: processes, waitLimit: DeviceLimits.waitLimit, weightSets: weights ? 3 : 0)
        }
        return plans
    }
}

extension LayerBench.Plan {
    /// The same with one routing.
    fileprivate func with(_ routing: BenchRouting) -> LayerBench.Plan {
        var plan = self
        plan.routings = [routing]
        return plan
    }

    /// Bytes of the rows that each rank sends to experts, and that come home to it.
    fileprivate var rowBytes: (dispatch: Int, combine: Int) {
        let window = RankWindow(shape, .float8, link: link)
        let rows = shape.maxTokens * shape.topK
        return (rows * window.dispatchedBytes, rows * window.combinedBytes)
    }
}
