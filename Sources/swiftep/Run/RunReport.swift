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
    /// Of each rank.
    let tokens: Int
    let hidden: Int
    let intermediate: Int
    let sharedIntermediate: Int?
    let experts: Int
    let topK: Int
    let blockM: Int
    let multiprocessorsPerRank: Int
    let communicationMultiprocessors: Int
    let seed: UInt64
    let weights: String
    let modes: [ModeResult]
    /// What keeps the run from being a success, a sentence each.
    let problems: [String]

    /// - Parameters:
    ///   - shared: Intermediate size of the shared expert.
    ///   - masked: Whom each rank goes on without.
    init(
        _ device: DeviceProperties, _ configuration: GroupConfiguration, _ settings: RunSettings, origin: String,
        shared: Int?, _ modes: [ModeResult], masked: [[MaskedRank]] = []
    ) {
        let shape = configuration.shape
        self.device = device.name
        deviceKind = device.kind.rawValue
        ranks = shape.ranks
        tokens = settings.tokens
        hidden = shape.hidden
        intermediate = shape.intermediate
        sharedIntermediate = shared
        experts = shape.experts
        topK = shape.topK
        blockM = configuration.blockM
        multiprocessorsPerRank = configuration.multiprocessors
        communicationMultiprocessors = configuration.communicationMultiprocessors
        seed = settings.seed
        weights = origin
        self.modes = modes

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
        problems += masked.joined().map { "\($0)" }
        if let dropped = settings.droppedSignal {
            problems.append(
                "nobody waited for the dropped signal of rank \(dropped.rank), local expert \(dropped.expert), block "
                    + "\(dropped.block): the expert has no rows there; choose another")
        }
        self.problems = problems
    }
}
