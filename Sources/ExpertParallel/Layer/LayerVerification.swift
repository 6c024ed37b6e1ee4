import ExpertKernels
import KernelLanguage

/// How far a step's outputs are from the FP64 reference.
public struct LayerVerification: Hashable, Sendable {
    /// Per rank: ‖output − reference‖ / ‖reference‖, the reference quantising where the kernels do. Infinite for NaN.
    public var relativeErrors: [Double]
    /// Over all ranks.
    public var relativeError: Double
    /// 1 − 2⟨x, y⟩ / (⟨x, x⟩ + ⟨y, y⟩) against the FP64 layer without any quantisation of activations.
    public var unquantisedDistance: Double
    /// ‖output − reference‖ / ‖reference‖ against the same: mostly the error of FP8 activations, in any implementation.
    public var unquantisedRelativeError: Double

    /// Bound of `relativeError`.
    public static let relativeErrorLimit = 1e-3
    /// Bound of `unquantisedDistance`.
    public static let unquantisedDistanceLimit = 1e-2

    /// Whether both bounds hold.
    public var passed: Bool {
        relativeError <= Self.relativeErrorLimit && unquantisedDistance <= Self.unquantisedDistanceLimit
    }
}

/// The reference outputs of one step, computed once and compared with the outputs of several modes.
public struct LayerJudge {
    private let quantised: [[Double]]
    private let unquantised: [[Double]]
    private let missing: MissingRanks

    /// Computes both references of the step that `layer`, which has all ranks, has run last and whose rows it kept, as
    /// `step` does.
    ///
    /// - Parameters:
    ///   - layer: The layer that has run the step.
    ///   - inputs: The inputs of the step, one for each rank.
    ///   - missing: Ranks that others went on without, where ranks are masked.
    ///   - shared: The shared expert that the layer was made with.
    ///   - weights: Weights of a routed expert, by its number in the layer.
    /// - Throws: `GroupError.rowsDiscarded` if it kept none, and `ReferenceError`, naming the element, when a value on
    ///   the device is not correctly rounded.
    public init(
        _ layer: MoELayerGroup, _ inputs: [RankInput], missing: MissingRanks = .none, shared: ExpertWeights?,
        weights: (Int) throws -> ExpertWeights
    ) throws {
        try self.init(
            layer.group.configuration, inputs, observed: layer.observedExperts(inputs, missing: missing),
            missing: missing, shared: shared, weights: weights)
    }

    /// The same for a step of ranks in several processes, whose observations have been put together.
    package init(
        _ configuration: GroupConfiguration, _ inputs: [RankInput], observed: ObservedExperts,
        missing: MissingRanks = .none, shared: ExpertWeights?, weights: (Int) throws -> ExpertWeights
    ) throws {
        self.missing = missing
        let shape = configuration.shape
        var reference = try LayerReference(
            experts: shape.experts, hidden: shape.hidden, intermediate: shape.intermediate,
            scaleFormat: configuration.scaleFormat,
            observed: ObservedQuantisation(
                activation: { observed.activations[$0] }, output: { observed.outputs[$0] }))
        reference.activation = configuration.activation
        let parts = try shared?.parts(intermediate: shape.intermediate) ?? []
        reference.missing = missing
        quantised = missing.present(try reference.output(of: inputs, sharedParts: parts, weights: weights))
        reference.model = .none
        reference.observed = nil
        unquantised = missing.present(try reference.output(of: inputs, shared: shared, weights: weights))
    }

    /// Judges a step's outputs, BF16 `[tokens, hidden]` for each rank; those of absent ranks do not count.
    public func judge(_ outputs: [[BFloat16]]) -> LayerVerification {
        let outputs = missing.present(outputs)
        let all = Array(outputs.joined())
        return LayerVerification(
            relativeErrors: zip(outputs, quantised).map { ExpertParallel.relativeError($0, $1) },
            relativeError: ExpertParallel.relativeError(all, Array(quantised.joined())),
            unquantisedDistance: cosineDistance(all, Array(unquantised.joined())),
            unquantisedRelativeError: ExpertParallel.relativeError(all, Array(unquantised.joined())))
    }
}
