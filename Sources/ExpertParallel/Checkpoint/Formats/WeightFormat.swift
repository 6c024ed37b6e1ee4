import ExpertKernels

/// How the weights of a matrix are stored.
public enum WeightFormat: Hashable, Sendable {
    /// BF16, converted to FP8 in blocks of 128 x 128, with a loss.
    case bfloat16
    /// FP8 E4M3 with a scale for each 128 x 128, in this type.
    case float8Blocks(scales: String)
    /// FP8 E4M3 with one scale for all.
    case float8PerTensor
    /// FP8 E4M3 with a scale for each row.
    case float8PerRow
    /// FP4 E2M1 with a power of two for each 32 columns.
    case mxfp4
    /// FP4 E2M1 with an E4M3 scale for each 16 columns and an FP32 one for all.
    case nvfp4
    /// Signed four-bit integers with a scale for each `group` columns.
    case int4(group: Int)

    /// The number that columns must be a multiple of: the kernels' step, or the columns that share a scale.
    var columnStep: Int {
        switch self {
        case .bfloat16, .float8Blocks, .float8PerTensor, .float8PerRow: LayerShape.channelStep
        case .mxfp4: 32
        case .nvfp4: 16
        case .int4(let group): group
        }
    }

    /// Whether FP8 with scales of blocks and of rows holds any weights of the format exactly. Where not, it may hold
    /// some, which shows when they are read.
    public var isAlwaysKept: Bool {
        switch self {
        case .float8Blocks, .float8PerTensor, .float8PerRow: true
        case .bfloat16, .mxfp4, .nvfp4, .int4: false
        }
    }
}

extension WeightFormat: CustomStringConvertible {
    /// The format's name, for messages.
    public var description: String {
        switch self {
        case .bfloat16: "BF16"
        case .float8Blocks(let scales): "FP8 in blocks of 128 x 128 with scales in \(scales)"
        case .float8PerTensor: "FP8 with one scale"
        case .float8PerRow: "FP8 with a scale for each channel"
        case .mxfp4: "MXFP4"
        case .nvfp4: "NVFP4"
        case .int4(let group): "INT4 with a scale for each \(group)"
        }
    }
}
