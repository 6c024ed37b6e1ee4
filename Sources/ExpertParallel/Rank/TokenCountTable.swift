import Accelerator
import ExpertKernels
import KernelLanguage

/// The counts that kernels read, for each number of tokens that a step may have: callers that know the number need not
/// write it to the device.
struct TokenCountTable {
    /// UInt32 `[maxTokens + 1, 3]`.
    private let counts: DeviceBuffer
    private let maxTokens: Int
    private let rank: Int

    init(_ device: any Device, _ shape: LayerShape, rank: Int) throws {
        (maxTokens, self.rank) = (shape.maxTokens, rank)
        counts = try device.makeBuffer(
            (0...shape.maxTokens).flatMap { TokenMemory.counts($0, maxTokens: shape.maxTokens) },
            label: "token counts of rank \(rank)")
    }

    /// Bytes of the table for steps of at most `maxTokens`.
    static func bytes(maxTokens: Int) -> Int { (maxTokens + 1) * 12 }

    /// The device address of the counts of a step of `tokens` tokens. Throws `GroupError.tooManyTokens`.
    func address(of tokens: Int) throws(GroupError) -> UInt64 {
        guard (0...maxTokens).contains(tokens) else {
            throw .tooManyTokens(rank: rank, tokens: tokens, maxTokens: maxTokens)
        }
        return counts.address + UInt64(12 * tokens)
    }
}
