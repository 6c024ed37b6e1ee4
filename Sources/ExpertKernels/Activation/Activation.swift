/// What stands between an expert's two GEMMs: SwiGLU, plain or in one of the variants that models have.
///
/// Of a gate g and an up value u it makes `silu(g) * (u + offset)`, with `silu(g) = g / (1 + e^(-alpha * g))`. A limit
/// clamps both: g, or silu(g), from above, and u, before the offset is added, from both sides.
public struct Activation: Hashable, Sendable {
    /// Limits of the routed experts; nil where nothing is clamped.
    public var limit: Float?
    /// The same of the shared expert.
    public var sharedLimit: Float?
    /// Which of the gate's values a limit clamps.
    public var clamped = ClampedGate.input
    /// Factor on the gate inside the sigmoid, above 0.
    public var alpha: Float = 1
    /// What is added to up, a finite number; models have 0 or 1.
    public var offset: Float = 0

    /// What a limit clamps of the gate.
    public enum ClampedGate: String, Hashable, Sendable, CaseIterable {
        /// The gate itself, as DeepSeek-V4, GLM-5.3-Flash, MiniMax-M3 and gpt-oss have it.
        case input
        /// silu of the gate, as Step-3.5 has it.
        case output
    }

    /// SwiGLU as it is.
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

    /// Whether kernels and reference compute it: limits above 0, a factor above 0, all of them finite.
    public var isValid: Bool {
        let positive = [limit, sharedLimit, alpha].compactMap { $0 }
        return positive.allSatisfy { $0.isFinite && $0 >= .leastNormalMagnitude } && offset.isFinite
    }
}

extension Activation: CustomStringConvertible {
    /// For people: `SwiGLU`, and what is changed of it.
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

/// An activation as the experts of a rank have it, the first of which are shared.
struct ExpertActivation: Hashable, Sendable {
    let function: Activation
    /// How many experts have the shared expert's limit; 0 where all have the same.
    let sharedExperts: Int

    init(_ function: Activation, sharedExperts: Int) {
        var own = function
        if sharedExperts == 0 { own.sharedLimit = function.limit }
        // Without limits, nothing is left of what they clamp.
        if own.limit == nil, own.sharedLimit == nil { own.clamped = .input }
        self.function = own
        self.sharedExperts = own.limit == own.sharedLimit ? 0 : sharedExperts
    }

    /// For kernel names; empty for plain SwiGLU. No two differ in the same name.
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
