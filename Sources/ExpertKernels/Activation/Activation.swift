/// The activation between an expert's two GEMMs: SwiGLU, plain or in one of the variants that models have.
///
/// For a gate g and an up value u it is `silu(g) * (u + offset)`, with `silu(g) = g / (1 + e^(-alpha * g))`. A limit
/// clamps both: g, or silu(g), from above, and u, before the offset is added, from both sides.
public struct Activation: Hashable, Sendable {
    /// Limit of the routed experts, above 0; nil where nothing is clamped.
    public var limit: Float?
    /// The same for the shared expert.
    public var sharedLimit: Float?
    /// Which of the gate's values a limit clamps.
    public var clamped = ClampedGate.input
    /// Factor on the gate inside the sigmoid, above 0.
    public var alpha: Float = 1
    /// Offset that is added to up, a finite number; models have 0 or 1.
    public var offset: Float = 0

    /// The value of the gate that a limit clamps.
    public enum ClampedGate: String, Hashable, Sendable, CaseIterable {
        /// The gate itself, as DeepSeek-V4, GLM-5.3-Flash, MiniMax-M3 and gpt-oss have it.
        case input
        /// silu of the gate, as Step-3.5 has it.
        case output
    }

    /// Plain SwiGLU: no limit, `alpha` 1, `offset` 0.
    public static let plain = Activation()

    /// A variant whose experts all have the same limit, above 0; nil for none.
    public init(
        limit: Float? = nil, clamping clamped: ClampedGate = .input, alpha: Float = 1, offset: Float = 0
    ) {
        self.init(limit: limit, sharedLimit: limit, clamping: clamped, alpha: alpha, offset: offset)
    }

    /// A variant whose shared expert has a limit of its own.
    public init(
        limit: Float?, sharedLimit: Float?, clamping clamped: ClampedGate = .input, alpha: Float = 1, offset: Float = 0
    ) {
        self.limit = limit
        self.sharedLimit = sharedLimit
        self.clamped = clamped
        self.alpha = alpha
        self.offset = offset
    }

    /// Whether kernels and reference compute it: limits and `alpha` positive normal numbers, `offset` finite.
    public var isValid: Bool {
        let positive = [limit, sharedLimit, alpha].compactMap { $0 }
        return positive.allSatisfy { $0.isFinite && $0 >= .leastNormalMagnitude } && offset.isFinite
    }
}

extension Activation: CustomStringConvertible {
    /// For people: `SwiGLU`, and how this variant differs from it.
    public var description: String {
        let limits =
            limit == sharedLimit
            ? limit.map { "clamped to \($0)" }
            : [("routed", limit), ("shared", sharedLimit)].map { name, limit in
                "\(name) " + (limit.map { "clamped to \($0)" } ?? "not clamped")
            }.joined(separator: " and ")
        return [
            "SwiGLU", limits.map { $0 + (clamped == .output ? " behind the sigmoid" : "") },
            alpha == 1 ? nil : "factor \(alpha)", offset == 0 ? nil : "up plus \(offset)",
        ].compactMap { $0 }.joined(separator: ", ")
    }
}

/// The activation of a rank's experts, the first of which are shared.
struct ExpertActivation: Hashable, Sendable {
    let function: Activation
    /// Number of experts with the shared expert's limit; 0 where all have the same.
    let sharedExperts: Int

    init(_ function: Activation, sharedExperts: Int) {
        var own = function
        if sharedExperts == 0 { own.sharedLimit = function.limit }
        // Without limits, it makes no difference which value they clamp.
        if own.limit == nil, own.sharedLimit == nil { own.clamped = .input }
        self.function = own
        self.sharedExperts = own.limit == own.sharedLimit ? 0 : sharedExperts
    }

    /// For kernel names; empty for plain SwiGLU. Different activations have different names.
    var name: String {
        func text(_ number: Float?) -> String {
            guard let number else { return "none" }
            let whole = Int(exactly: number).map { "\($0)" }
            // PTX names have no points and signs.
            return (whole ?? "\(number)").replacing(".", with: "p").replacing("-", with: "m").replacing("+", with: "")
        }
        let limits =
            sharedExperts > 0
            ? "_limit\(text(function.limit))_first\(sharedExperts)_limit\(text(function.sharedLimit))"
            : function.limit.map { "_limit\(text($0))" } ?? ""
        return limits + (function.clamped == .output ? "_clamped" : "")
            + (function.alpha == 1 ? "" : "_alpha\(text(function.alpha))")
            + (function.offset == 0 ? "" : "_plus\(text(function.offset))")
    }
}
