/// The three matrices of one expert: `down(silu(gate(x)) * up(x))`.
public struct ExpertWeights: Hashable, Sendable {
    /// `[intermediate, hidden]`.
    public var gate: QuantisedMatrix
    /// `[intermediate, hidden]`.
    public var up: QuantisedMatrix
    /// `[hidden, intermediate]`.
    public var down: QuantisedMatrix

    /// Loss of the matrices' conversion to FP8; nil if there was none.
    public var loss: ConversionLoss? {
        let losses = [gate.loss, up.loss, down.loss].compactMap { $0 }
        return losses.isEmpty ? nil : losses.reduce(into: ConversionLoss()) { $0.add($1) }
    }

    /// An expert of these matrices.
    public init(gate: QuantisedMatrix, up: QuantisedMatrix, down: QuantisedMatrix) {
        self.gate = gate
        self.up = up
        self.down = down
    }
}

/// The weights and biases of a layer's router.
public struct RouterWeights: Hashable, Sendable {
    /// Row-major `[experts, hidden]`.
    public var weight: [Float]
    /// `[experts]`, added to the scores when experts are chosen, not to their weights. Zeros where a model has none.
    public var correctionBias: [Float]
    /// `[experts]`, added to the logits; nil where a model has none.
    public var logitBias: [Float]?
    /// `[hidden]`: the sigmoid of its product with a token is the shared expert's weight; nil where that has no gate.
    public var sharedGate: [Float]?

    /// A router of these weights.
    public init(weight: [Float], correctionBias: [Float], logitBias: [Float]? = nil, sharedGate: [Float]? = nil) {
        self.weight = weight
        self.correctionBias = correctionBias
        self.logitBias = logitBias
        self.sharedGate = sharedGate
    }
}
