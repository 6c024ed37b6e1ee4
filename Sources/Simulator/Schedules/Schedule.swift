/// A policy with all it needs, as one line of text that means the same everywhere.
public enum Schedule: Hashable, Sendable, LosslessStringConvertible {
    /// Every choice at random: `random:SEED`.
    case random(seed: UInt64)
    /// Random priorities with `depth` - 1 changes among the first `length` decisions: `pct:SEED:DEPTH:LENGTH`.
    case pct(seed: UInt64, depth: Int, length: Int)
    /// The choices that are not 0, by the number of their decision: `choices:12=1,40=3`.
    case choices([Int: Int])

    /// Reads what `description` writes; nil for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        switch (parts.first, parts.count) {
        case ("random", 2):
            guard let seed = UInt64(parts[1]) else { return nil }
            self = .random(seed: seed)
        case ("pct", 4):
            guard let seed = UInt64(parts[1]), let depth = Int(parts[2]), let length = Int(parts[3]), depth > 0,
                length > 0
            else { return nil }
            self = .pct(seed: seed, depth: depth, length: length)
        case ("choices", 2):
            var choices: [Int: Int] = [:]
            for pair in parts[1].split(separator: ",") {
                let sides = pair.split(separator: "=")
                guard sides.count == 2, let decision = Int(sides[0]), let choice = Int(sides[1]), decision >= 0,
                    choice > 0
                else { return nil }
                choices[decision] = choice
            }
            self = .choices(choices)
        default: return nil
        }
    }

    /// One line.
    public var description: String {
        switch self {
        case .random(let seed): "random:\(seed)"
        case .pct(let seed, let depth, let length): "pct:\(seed):\(depth):\(length)"
        case .choices(let choices):
            "choices:" + choices.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
        }
    }

    func makePolicy() -> any SchedulePolicy {
        switch self {
        case .random(let seed): RandomPolicy(seed: seed)
        case .pct(let seed, let depth, let length): PCTPolicy(seed: seed, depth: depth, length: length)
        case .choices(let choices): ReplayPolicy(choices)
        }
    }
}
