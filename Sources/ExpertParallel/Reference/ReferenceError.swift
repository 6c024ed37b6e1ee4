import ExpertKernels

/// Why the reference cannot compute, or disagrees with observed values.
package enum ReferenceError: Error, Equatable, Sendable, CustomStringConvertible {
    /// An array or matrix has another size than the layer's shape asks for.
    case sizeMismatch(what: String, expected: Int, found: Int)
    /// A dimension is not a positive multiple of 8.
    case dimensionNotMultiple(what: String, value: Int)
    /// A routing names an expert that the layer does not have; -1 for none is allowed.
    case expertOutOfRange(rank: Int, token: Int, slot: Int, expert: Int64, experts: Int)
    /// A hidden state is NaN or infinite.
    case hiddenNotFinite(rank: Int, token: Int, channel: Int)
    /// A value of the reference is beyond what its format holds, or not a number.
    case overflow(stage: QuantisationDifference.Stage, row: ReferenceRow, channel: Int, value: Double)
    /// An observed value is no correct rounding of the reference's own.
    case observedDiffers(QuantisationDifference)

    /// One sentence with the place, the value and the limit.
    package var description: String {
        switch self {
        case .sizeMismatch(let what, let expected, let found):
            "The reference needs \(expected) \(what) and got \(found)."
        case .dimensionNotMultiple(let what, let value):
            "The reference's \(what) is \(value) and must be a positive multiple of \(LayerShape.channelStep)."
        case .expertOutOfRange(let rank, let token, let slot, let expert, let experts):
            "Rank \(rank), token \(token), choice \(slot) is expert \(expert); experts are 0 to \(experts - 1), or -1."
        case .hiddenNotFinite(let rank, let token, let channel):
            "The hidden state of rank \(rank), token \(token), channel \(channel) is not finite."
        case .overflow(let stage, let row, let channel, let value):
            "The \(stage.rawValue) of \(row), channel \(channel) is \(value) in the reference too, beyond the format that "
                + "kernels keep it in; look for weights or hidden states that are too large."
        case .observedDiffers(let difference):
            difference.description
        }
    }
}

/// The first observed value that is no correct rounding of the reference's own.
package struct QuantisationDifference: Hashable, Sendable, CustomStringConvertible {
    /// What was quantised.
    package enum Stage: String, Hashable, Sendable {
        /// A token on its way to an expert.
        case input
        /// SwiGLU's result.
        case activation
        /// The down projection's output, in BF16.
        case output
    }

    /// What differs.
    package enum Part: String, Hashable, Sendable {
        /// The scale of the 128 channels from `channel` on.
        case scale
        /// The value of `channel`, code x scale.
        case value
    }

    /// What was quantised.
    package var stage: Stage
    /// What differs.
    package var part: Part
    /// Which row.
    package var row: ReferenceRow
    /// Which channel of it.
    package var channel: Int
    /// The kernel's value.
    package var observed: Double
    /// The reference's own, before it is quantised.
    package var expected: Double
    /// The largest difference that would have been accepted.
    package var limit: Double

    /// One sentence with the place and both values.
    package var description: String {
        "The quantised \(stage.rawValue) of \(row), channel \(channel) has the \(part.rawValue) \(observed), "
            + "and the reference \(expected), with at most \(limit) between them."
    }
}
