import Accelerator
import ExpertKernels
import ExpertParallel

/// `swiftep run`
enum RunCommand {
    static let tokens = Option<Int>.integer(
        "tokens", in: 0...4_096, help: "Tokens of each rank. Default: 16.")
    static let checkpoint = Option<String>.text(
        "checkpoint", "DIR",
        help:
            "Checkpoint directory to take the layer and its sizes from. Without it, one with random weights is made "
            + "in a temporary directory, read back, and removed at the end.")
    static let layer = Option<Int>.integer(
        "layer", in: 0...100_000, help: "Layer of --checkpoint. Default: its first layer with experts.")
    static let seed = Option<UInt64>.seed(
        help: "Seed of hidden states, random weights and the simulator's schedule. Default: 1.")
    static let blockM = Option<Int>.integer(
        "block-m", oneOf: TileShape.heights,
        help:
            "Rows for each tile of the GEMMs and for each signal: 16, 32, 64 or 128. Default: the lowest that holds "
            + "the rows that an expert can expect.")
    static let waitLimit = Option<Double>.positive(
        "wait-limit", "SECONDS", limit: 3_600,
        help:
            "Seconds of the device's clock after which a kernel gives up waiting for memory and the run fails; more "
            + "than a row takes over --link or --network-link. Default: \(Int(DeviceLimits.waitLimit)) on a GPU, "
            + "\(DeviceLimits.simulatedWaitLimit) on the simulator.")
    static let dropSignal = Option<MoELayerGroup.DroppedSignal>(
        "drop-signal", "RANK:EXPERT:BLOCK",
        help:
            "Test hook: leaves out one signal add of this block of rows, of that local expert of the rank. Overlapped "
            + "steps that wait for the block then end in the watchdog's error.",
        expected: "three whole numbers RANK:EXPERT:BLOCK, such as 0:2:0"
    ) { text in
        let numbers = text.split(separator: ":", omittingEmptySubsequences: false).map { strictInteger(String($0)) }
        guard numbers.count == 3, let rank = numbers[0], let expert = numbers[1], let block = numbers[2],
            min(rank, expert, block) >= 0
        else { return nil }
        return MoELayerGroup.DroppedSignal(rank: rank, expert: expert, block: block)
    }

    static let replays = Option<Int>.integer(
        "replays", in: 0...1_000,
        help:
            "Replays of a graph of the step, in a row, whose time is taken; each must give the step's bits. With 0, the time is "
            + "that of the step itself. Default: \(RunSettings.usualReplays) on a GPU, 0 on the simulator.")

    static let timeline = Option<String>.text(
        "timeline", "FILE",
        help:
            "Writes what the kernels of one step did when, in the last of the modes, to FILE: a picture if its name "
            + "ends in .svg, else JSON for Perfetto and chrome://tracing. FILE is a new name or a regular file, which "
            + "is replaced. All kernels then take notes, which costs a little time."
    )

    static let tensors = Option<String>.text(
        "tensors", "FILE",
        help:
            "Writes what went into the step and what came out in the first of the modes, all ranks one after the other, "
            + "to a safetensors file: hidden_states, topk_idx, topk_weights and output. FILE is a new name or a regular "
            + "file, which is replaced."
    )

    static let arrivals = Option<Bool>.flag(
        "arrivals",
        help:
            "Says for each mode how often, on average and at most how long ranks waited for each rank's row counts, "
            + "rows and results, and how many rows experts received. All kernels that wait then take notes, which "
            + "costs a little time."
    )

    static let scales = Option<ScaleFormat>(
        "scales", "float32|powerOfTwo",
        help:
            "How scales of activations are rounded, in dispatch and between the GEMMs: not at all, or up to a power "
            + "of two. Default: float32; a --checkpoint says by scale_fmt ue8m0 that its layers need powers of two.",
        expected: "float32 or powerOfTwo"
    ) { text in
        // The GEMMs do not read exponents.
        ScaleFormat(rawValue: text).flatMap { $0 == .exponents ? nil : $0 }
    }

    static let command = Command(
        name: "run",
        summary: "Runs one decode step of a Mixture-of-Experts layer on several ranks and checks the results.",
        discussion: [
            "Tokens are dispatched to the ranks of their experts, run through them and the shared expert, and "
                + "combined, in each of the overlap modes. Every output is compared with an FP64 reference, and the "
                + "modes with each other: they must agree bit for bit. The exit code is 0 only if all of this holds.",
            "Defaults on the simulator: \(ShapeOptions.Defaults.small.model), \(ShapeOptions.Defaults.small.ranks) "
                + "ranks. On a GPU: \(ShapeOptions.Defaults.deepSeekV3.model), "
                + "\(ShapeOptions.Defaults.deepSeekV3.ranks) ranks. What is given explicitly wins.",
        ],
        options: [
            ShapeOptions.ranks, ProcessOptions.processes, tokens, BenchOptions.overlap, DeviceOptions.device,
            checkpoint, layer,
            ShapeOptions.hidden,
            ShapeOptions.intermediate, ShapeOptions.experts, ShapeOptions.topK, scales, seed,
            BenchOptions.communication, BenchOptions.link, blockM, waitLimit, replays, ProcessOptions.onFailure,
            ProcessOptions.restart,
        ] + NetworkOptions.all + [
            dropSignal, ProcessOptions.loseRank, timeline, tensors, arrivals, CommonOptions.json,
        ],
        run: { arguments in
            let settings = try RunSettings(arguments)
            return try withProcesses(
                arguments, ranks: { try ShapeOptions.ranks(arguments, .ofRun(on: $1.kind), processes: $0) },
                seed: settings.seed,
                longestWait: settings.longestWait
            ) { try run(arguments, settings, $0) }
        })

    /// The part of one process; the first one reports.
    private static func run(_ arguments: Arguments, _ settings: RunSettings, _ processes: Processes) throws -> Int32 {
        let timeline = try processes.isFirst ? settings.openTimeline() : nil
        let tensors = try processes.isFirst ? settings.openTensors() : nil
        let source = try LayerSource(arguments, settings, processes)
        defer { source.discard() }
        guard let report = try LayerRun(processes, source, settings, timeline: timeline, tensors: tensors).run() else {
            return 0
        }
        if arguments[CommonOptions.json] {
            try Console.json(report)
        } else {
            try Console.result(report.text)
        }
        for problem in report.problems { Console.note("swiftep: \(problem)") }
        return report.problems.isEmpty ? 0 : 1
    }
}

/// The settings of a run, apart from the layer's sizes and weights.
struct RunSettings {
    let modes: [OverlapMode]
    let tokens: Int
    let seed: UInt64
    let communicationMultiprocessors: Int?
    let blockM: Int?
    let link: LinkModel?
    /// File for a timeline.
    let timeline: String?
    /// File for the step's inputs and outputs.
    private let tensors: String?
    /// Whether to report the ranks' waits for each other.
    let arrivals: Bool
    /// How scales of activations are rounded, where no checkpoint determines it.
    let scaleFormat: ScaleFormat
    private let waitLimit: Double?
    private let replays: Int?
    let droppedSignal: MoELayerGroup.DroppedSignal?
    /// How the others react when a rank's wait times out.
    let onFailure: FailurePolicy
    /// Whether ranks that were masked are readmitted.
    let restarts: Bool
    /// How ranks reach each other; nil for loads and stores.
    let network: GroupNetwork?
    /// A process that is to be lost.
    let lostRank: LostRank?

    /// Throws `UsageError` for options that do not go together.
    init(_ arguments: Arguments) throws(UsageError) {
        modes = arguments[BenchOptions.overlap] ?? OverlapMode.allCases
        tokens = arguments[RunCommand.tokens] ?? ShapeOptions.Defaults.small.tokens
        seed = arguments[RunCommand.seed] ?? 1
        communicationMultiprocessors = arguments[BenchOptions.communication]
        blockM = arguments[RunCommand.blockM]
        link = arguments[BenchOptions.link]
        arrivals = arguments[RunCommand.arrivals]
        waitLimit = arguments[RunCommand.waitLimit]
        replays = arguments[RunCommand.replays]
        scaleFormat = arguments[RunCommand.scales] ?? .float32
        droppedSignal = arguments[RunCommand.dropSignal]
        onFailure = arguments[ProcessOptions.onFailure] ?? .stop
        restarts = arguments[ProcessOptions.restart]
        lostRank = arguments[ProcessOptions.loseRank]
        guard droppedSignal == nil || modes.contains(.singleBatch) || modes.contains(.direct) else {
            throw .conflict("--drop-signal concerns signals; add singleBatch or direct to --overlap, which have them")
        }
        try ProcessOptions.check(onFailure, link: link)
        network = try RankTransport.network(arguments)
        guard arguments[RunCommand.checkpoint] != nil || arguments[RunCommand.layer] == nil else {
            throw .conflict("--layer chooses a layer of a checkpoint; give its directory with --checkpoint")
        }
        for option in ShapeOptions.model where arguments[option] != nil && arguments[RunCommand.checkpoint] != nil {
            throw .conflict("--\(option.name) is given by the checkpoint; leave it out, or leave out --checkpoint")
        }
        guard arguments[RunCommand.scales] == nil || arguments[RunCommand.checkpoint] == nil else {
            throw .conflict("--scales is given by the checkpoint; leave it out, or leave out --checkpoint")
        }
        timeline = arguments[RunCommand.timeline]
        tensors = arguments[RunCommand.tensors]
    }

    /// Opens the file of the timeline, if there is to be one. Throws `UsageError` for one that cannot be written.
    func openTimeline() throws(UsageError) -> OutputFile? {
        guard let timeline else { return nil }
        return try OutputFile(timeline, option: "--" + RunCommand.timeline.name)
    }

    /// Opens the file of the step's tensors, if there is to be one. Throws `UsageError` for one that cannot be written.
    func openTensors() throws(UsageError) -> OutputFile? {
        guard let tensors else { return nil }
        return try OutputFile(tensors, option: "--" + RunCommand.tensors.name)
    }

    /// Seconds after which no kernel waits any more, on any device.
    var longestWait: Double { waitLimit ?? DeviceLimits.waitLimit }

    /// Replays on a GPU by default.
    static let usualReplays = 20

    /// Graph replays that are timed.
    func replays(on kind: DeviceProperties.Kind) -> Int {
        replays ?? (kind == .simulator ? 0 : Self.usualReplays)
    }

    /// Seconds of the device's clock after which a wait is given up. Where processes share the ranks, the simulator's
    /// clock is that of the machine.
    func waitLimit(on processes: Processes) -> Double {
        let isSimulated = processes.device.properties.kind == .simulator && processes.group == nil
        return waitLimit ?? (isSimulated ? DeviceLimits.simulatedWaitLimit : DeviceLimits.waitLimit)
    }
}
