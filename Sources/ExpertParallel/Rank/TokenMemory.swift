import Accelerator
import ExpertKernels
import KernelLanguage

/// Memory for the tokens of a rank's step and their outputs.
struct TokenMemory: Sendable {
    /// UInt32 `[3]`: tokens of the step, and how many of them are in each half.
    private let counts: DeviceBuffer
    /// BF16 `[maxTokens, hidden]`.
    private let input: DeviceBuffer
    /// Int64 `[maxTokens, topK]`.
    let experts: DeviceBuffer
    /// Float32 `[maxTokens, topK]`.
    private let weights: DeviceBuffer
    /// Float32 `[maxTokens]`; nil without a gate on the shared expert.
    private let sharedWeights: DeviceBuffer?
    /// BF16 `[maxTokens, hidden]`.
    let output: DeviceBuffer

    /// Memory for the tokens of a rank.
    init(_ device: any Device, _ configuration: GroupConfiguration, label: String) throws {
        let shape = configuration.shape
        func allocate<Element: Scalar>(_ type: Element.Type, _ what: String, _ count: Int) throws -> DeviceBuffer {
            try device.allocate(type, count: count, label: "\(what) of \(label)").buffer
        }
        counts = try allocate(UInt32.self, "token count", 3)
        input = try allocate(BFloat16.self, "input", shape.maxTokens * shape.hidden)
        experts = try allocate(UInt64.self, "experts", shape.maxTokens * shape.topK)
        weights = try allocate(Float.self, "weights", shape.maxTokens * shape.topK)
        sharedWeights =
            try configuration.hasSharedGate ? allocate(Float.self, "shared weights", shape.maxTokens) : nil
        output = try allocate(BFloat16.self, "output", shape.maxTokens * shape.hidden)
    }

    /// Memory of the caller's.
    init(_ tokens: DeviceTokens) {
        counts = tokens.count
        input = tokens.hiddenStates
        experts = tokens.experts
        weights = tokens.weights
        sharedWeights = tokens.sharedWeights
        output = tokens.output
    }

    /// The addresses of the memory.
    var addresses: TokenAddresses {
        TokenAddresses(
            count: counts.address, input: input.address, experts: experts.address, weights: weights.address,
            sharedWeights: sharedWeights?.address, output: output.address)
    }

    /// Copies a step's tokens to the device; `maxTokens` is that of the whole batch.
    func load(_ rankInput: RankInput, maxTokens: Int, _ device: any Device) throws {
        try device.write(Self.counts(rankInput.routing.tokens, maxTokens: maxTokens), to: counts)
        try device.write(rankInput.hiddenStates, to: input)
        try device.write(rankInput.routing.experts, to: experts)
        try device.write(rankInput.routing.weights, to: weights)
        if let sharedWeights, let values = rankInput.routing.sharedWeights {
            try device.write(values, to: sharedWeights)
        }
    }

    /// The counts of a step of `tokens` tokens: all, those in the first half, and those in the second.
    static func counts(_ tokens: Int, maxTokens: Int) -> [UInt32] {
        let first = min(tokens, (maxTokens + 1) / 2)
        return [UInt32(tokens), UInt32(first), UInt32(tokens - first)]
    }
}
