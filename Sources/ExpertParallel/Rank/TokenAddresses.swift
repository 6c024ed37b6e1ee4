import ExpertKernels
import KernelLanguage

/// Device addresses of a step's tokens, for kernels; the caller keeps the memory alive.
struct TokenAddresses: Hashable, Sendable {
    /// UInt32 `[3]`: tokens of the step and of each half; for a half, the address of its own number.
    var count: UInt64
    /// BF16 `[tokens, hidden]`.
    var input: UInt64
    /// Int64 `[tokens, topK]`; kernels read it as UInt64.
    var experts: UInt64
    /// Float32 `[tokens, topK]`.
    var weights: UInt64
    /// Float32 `[tokens]`; nil without a gate on the shared expert.
    var sharedWeights: UInt64?
    /// BF16 `[tokens, hidden]`.
    var output: UInt64

    /// The addresses of a half of the batch: number 0 or 1, of at most `half.maxTokens` tokens.
    func half(_ number: Int, of half: LayerShape) -> TokenAddresses {
        let first = UInt64(number * half.maxTokens)
        let (hidden, topK) = (UInt64(half.hidden), UInt64(half.topK))
        return TokenAddresses(
            count: count + UInt64(4 * (1 + number)), input: input + first * hidden * 2,
            experts: experts + first * topK * 8, weights: weights + first * topK * 4,
            sharedWeights: sharedWeights.map { $0 + first * 4 }, output: output + first * hidden * 2)
    }
}
