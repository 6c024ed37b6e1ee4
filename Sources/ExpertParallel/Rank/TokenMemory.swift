import Accelerator
import ExpertKernels
import KernelLanguage

/// The tokens of a rank's step and what becomes of them: a whole batch, or a half of one, which is a part of its
/// memory.
struct TokenMemory: Sendable {
    /// UInt32 `[1]`.
    let count: DeviceArray<UInt32>
    /// BF16 `[maxTokens, hidden]`.
    let input: DeviceArray<BFloat16>
    /// Int64 `[maxTokens, topK]`; kernels read it as UInt64.
    let experts: DeviceArray<UInt64>
    /// Float32 `[maxTokens, topK]`.
    let weights: DeviceArray<Float>
    /// BF16 `[maxTokens, hidden]`.
    let output: DeviceArray<BFloat16>
    /// UInt32 `[3]`: tokens of the step, and how many of them are in each half.
    private let counts: DeviceArray<UInt32>

    /// Memory for the tokens of a rank.
    init(_ device: any Device, _ shape: LayerShape, label: String) throws {
        counts = try device.allocate(UInt32.self, count: 3, label: "token count of \(label)")
        count = counts.part("token count of \(label)", from: 0, count: 1)
        input = try device.allocate(BFloat16.self, count: shape.maxTokens * shape.hidden, label: "input of \(label)")
        experts = try device.allocate(UInt64.self, count: shape.maxTokens * shape.topK, label: "experts of \(label)")
        weights = try device.allocate(Float.self, count: shape.maxTokens * shape.topK, label: "weights of \(label)")
        output = try device.allocate(BFloat16.self, count: shape.maxTokens * shape.hidden, label: "output of \(label)")
    }

    /// Memory of the caller's.
    init(_ tokens: DeviceTokens) {
        counts = DeviceArray(tokens.count)
        count = counts.part(tokens.count.label, from: 0, count: 1)
        input = DeviceArray(tokens.hiddenStates)
        experts = DeviceArray(tokens.experts)
        weights = DeviceArray(tokens.weights)
        output = DeviceArray(tokens.output)
    }

    /// A half of `whole`: number 0 or 1, of at most `half.maxTokens` tokens.
    init(half number: Int, of whole: TokenMemory, _ half: LayerShape, label: String) {
        func part<Element>(_ array: DeviceArray<Element>, _ name: String, _ elements: Int) -> DeviceArray<Element> {
            let first = number * half.maxTokens * elements
            return array.part(
                "\(name) of \(label)", from: first, count: min(half.maxTokens * elements, array.count - first))
        }
        counts = whole.counts
        count = whole.counts.part("tokens of \(label)", from: 1 + number, count: 1)
        input = part(whole.input, "input", half.hidden)
        experts = part(whole.experts, "experts", half.topK)
        weights = part(whole.weights, "weights", half.topK)
        output = part(whole.output, "output", half.hidden)
    }

    /// Copies a step's tokens to the device; `maxTokens` is that of the whole batch.
    func load(_ rankInput: RankInput, maxTokens: Int, _ device: any Device) throws {
        let tokens = UInt32(rankInput.routing.tokens)
        let first = min(tokens, UInt32(maxTokens + 1) / 2)
        try device.write([tokens, first, tokens - first], to: counts.buffer)
        try device.write(rankInput.hiddenStates, to: input.buffer)
        try device.write(rankInput.routing.experts, to: experts.buffer)
        try device.write(rankInput.routing.weights, to: weights.buffer)
    }
}
