/// A requirement of a layer beyond FP8 weights, activations quantised by 128 channels, SwiGLU, and a router that reads
/// hidden states.
///
/// A layer with a requirement that is not `isSupported` is described and refused, never run without it.
public enum LayerRequirement: Hashable, Sendable {
    /// Scales of activations are powers of two, as `GroupConfiguration.scaleFormat` has them with `.powerOfTwo`.
    case powerOfTwoActivationScales
    /// Activations have one scale for each token. Kernels have one for each 128 channels of a token, none of which is
    /// larger.
    case activationsPerToken
    /// Activations are quantised to four bits.
    case fourBitActivations
    /// Experts are chosen by a table with a row for each token id.
    case expertsByTokenID

    /// Whether kernels and reference meet it. The one place to change when they learn to.
    public var isSupported: Bool {
        switch self {
        case .powerOfTwoActivationScales, .activationsPerToken: true
        case .fourBitActivations, .expertsByTokenID: false
        }
    }
}

extension LayerRequirement: CustomStringConvertible {
    /// The requirement as a phrase.
    public var description: String {
        switch self {
        case .powerOfTwoActivationScales: "activation scales that are powers of two, UE8M0"
        case .activationsPerToken: "one activation scale for each token (kernels are finer: one for each 128 channels)"
        case .fourBitActivations: "activations of four bits (kernels have E4M3)"
        case .expertsByTokenID: "experts chosen by token id (a layer is given hidden states alone)"
        }
    }
}
