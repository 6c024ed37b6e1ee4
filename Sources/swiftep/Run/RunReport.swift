import Accelerator
import ExpertKernels
import ExpertParallel

/// The results of a run, as JSON and as text.
struct RunReport: Encodable {
    let verified: Bool
    let identical: Bool
    let device: String
    let deviceKind: String
    let ranks: Int
    /// The number of processes that share the ranks, and of their devices.
    let processes: Int
    let devices: Int
    /// Whether kernels of several processes on a GPU run side by side, under MPS.
    let sharesContexts: Bool
    /// Tokens of each rank.
    let tokens: Int
    let hidden: Int
    let intermediate: Int
    let sharedIntermediate: Int?
    /// Whether the shared expert has a gate.
    let sharedGate: Bool
    let experts: Int
    let topK: Int
    /// The network between ranks; nil for loads and stores.
    let network: String?
    /// How scales of activations are rounded.
    let scales: String
    /// Whether weights have a scale for each output channel.
    let channelScales: Bool
    /// Whether the checkpoint has one activation scale for each token, where kernels have one for each 128 channels.
    let activationsPerToken: Bool
    let blockM: Int
    let multiprocessorsPerRank: Int
    let communicationMultiprocessors: Int
    let seed: UInt64
    let weights: String
    let modes: [ModeResult]
    /// Ranks that the others went on without, in order.
    let maskedRanks: [Int]
    /// The masks, with their causes.
    let masks: [Losses.Mask]
    /// The problems of the run, a sentence each; empty for a success.
    let problems: [String]

    /// - Parameters:
    ///   - shared: Intermediate size of the shared expert.
    ///   - activationsPerToken: Whether the checkpoint has one activation scale for each token.
    init(
        _ processes: Processes, _ configuration: GroupConfiguration, _ settings: RunSettings, origin: String,
        shared: Int?, activationsPerToken: Bool, _ modes: [ModeResult], _ losses: Losses
    ) {
        let shape = configuration.shape
        let device = processes.device.properties
        self.device = device.name
        deviceKind = device.kind.rawValue
        ranks = shape.ranks
        self.processes = processes.count
        devices = processes.group?.extent.devices ?? 1
        sharesContexts = device.sharesContexts
        tokens = settings.tokens
        hidden = shape.hidden
        intermediate = shape.intermediate
        sharedIntermediate = shared
        sharedGate = configuration.hasSharedGate
        experts = shape.experts
        topK = shape.topK
        network = processes.description(of: configuration.network)
        scales = configuration.scaleFormat.rawValue
        channelScales = configuration.channelScales
        self.activationsPerToken = activationsPerToken
        blockM = configuration.blockM
        multiprocessorsPerRank = configuration.multiprocessors
        communicationMultiprocessors = configuration.communicationMultiprocessors
        seed = settings.seed
        weights = origin
        self.modes = modes
        maskedRanks = losses.absent.sorted()
        masks = losses.found

        var problems: [String] = []
        for mode in modes where !mode.verified {
            problems.append(
                "overlap \(mode.mode) is not verified: relative error \(scientific(mode.relativeError)), limit "
                    + "\(LayerVerification.relativeErrorLimit); unquantised distance "
                    + "\(scientific(mode.unquantisedDistance)), limit \(LayerVerification.unquantisedDistanceLimit)")
        }
        verified = problems.isEmpty
        let different = modes.filter { $0.difference != nil }
        for mode in different {
            problems.append(
                "overlap \(mode.mode) differs from \(modes[0].mode) at "
                    + (mode.difference.map { "\($0)" } ?? ""))
        }
        identical = different.isEmpty
        if let dropped = settings.droppedSignal, losses.found.isEmpty {
            problems.append(
                "nobody waited for the dropped signal of rank \(dropped.rank), local expert \(dropped.expert), block "
                    + "\(dropped.block): the expert has no rows there; choose another")
        }
        self.problems = problems
    }
}
