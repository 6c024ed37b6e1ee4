import Accelerator
import ExpertKernels
import KernelLanguage

/// Tokens of a rank's steps in device memory of the caller's, which kernels read and write where it is: an engine's
/// tensors, adopted by `Device.adopt(address:bytes:label:whenReleased:)`.
public struct DeviceTokens: Sendable {
    /// UInt32 `[3]`: tokens of the step, at most `maxTokens`; how many of them are in the first half of the batch, the
    /// smaller of all and `(maxTokens + 1) / 2`; and the others. The halves are read with Two Batch Overlap only.
    public var count: DeviceBuffer
    /// BF16 `[maxTokens, hidden]`.
    public var hiddenStates: DeviceBuffer
    /// Int64 `[maxTokens, topK]`: an expert of the layer, or anything else for none. No token may name an expert twice.
    public var experts: DeviceBuffer
    /// Float32 `[maxTokens, topK]`.
    public var weights: DeviceBuffer
    /// Float32 `[maxTokens]`: the shared expert's weights, where it has a gate; else nil.
    public var sharedWeights: DeviceBuffer?
    /// BF16 `[maxTokens, hidden]`, written by the combine's receive.
    public var output: DeviceBuffer

    /// Tokens in these buffers.
    public init(
        count: DeviceBuffer, hiddenStates: DeviceBuffer, experts: DeviceBuffer, weights: DeviceBuffer,
        sharedWeights: DeviceBuffer? = nil, output: DeviceBuffer
    ) {
        self.count = count
        self.hiddenStates = hiddenStates
        self.experts = experts
        self.weights = weights
        self.sharedWeights = sharedWeights
        self.output = output
    }

    /// Throws `GroupError.bufferTooSmall` for the first buffer that holds less than a step of rank `rank` can have, or
    /// `.misaligned` for one whose address is not aligned as kernels need it; `.sharedWeightsMissing` and
    /// `.sharedWeightsUnread`.
    func validate(rank: Int, _ configuration: GroupConfiguration) throws(GroupError) {
        let shape = configuration.shape
        if configuration.hasSharedGate, sharedWeights == nil { throw .sharedWeightsMissing(rank: rank) }
        if !configuration.hasSharedGate, sharedWeights != nil { throw .sharedWeightsUnread(rank: rank) }
        var needed = [
            (count, 12, 4), (hiddenStates, shape.maxTokens * shape.hidden * 2, 16),
            (experts, shape.maxTokens * shape.topK * 8, 8), (weights, shape.maxTokens * shape.topK * 4, 4),
            (output, shape.maxTokens * shape.hidden * 2, 16),
        ]
        if let sharedWeights { needed.append((sharedWeights, shape.maxTokens * 4, 4)) }
        for (buffer, bytes, alignment) in needed {
            guard buffer.bytes >= bytes else {
                throw .bufferTooSmall(buffer.label, bytes: buffer.bytes, needed: bytes)
            }
            guard buffer.address % UInt64(alignment) == 0 else {
                throw .misaligned(buffer.label, address: buffer.address, alignment: alignment)
            }
        }
    }
}
