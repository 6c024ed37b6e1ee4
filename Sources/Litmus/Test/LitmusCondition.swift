import KernelLanguage

/// A condition on the end of a test.
package indirect enum LitmusCondition: Hashable, Sendable {
    case compare(Comparison, LitmusTerm, LitmusTerm)
    case not(LitmusCondition)
    case and(LitmusCondition, LitmusCondition)
    case or(LitmusCondition, LitmusCondition)

    /// Whether it holds at an end with these values of `terms`.
    func holds(_ value: (LitmusTerm) -> Int) -> Bool {
        switch self {
        case .compare(let comparison, let a, let b): comparison.holds(value(a), value(b))
        case .not(let condition): !condition.holds(value)
        case .and(let a, let b): a.holds(value) && b.holds(value)
        case .or(let a, let b): a.holds(value) || b.holds(value)
        }
    }

    /// Registers and locations that it looks at.
    var terms: Set<LitmusTerm> {
        switch self {
        case .compare(_, let a, let b):
            Set([a, b].filter { if case .constant = $0 { false } else { true } })
        case .not(let condition): condition.terms
        case .and(let a, let b), .or(let a, let b): a.terms.union(b.terms)
        }
    }
}

/// A value at the end.
package enum LitmusTerm: Hashable, Sendable {
    /// A register of the thread with this index.
    case register(thread: Int, Int)
    /// What memory holds, by index of the location.
    case memory(Int)
    case constant(Int)
}

/// The last line of a test.
package struct LitmusQuestion: Hashable, Sendable {
    /// What is said of the condition.
    package enum Kind: String, CaseIterable, Hashable, Sendable {
        /// Some execution ends like this.
        case exists
        /// None does.
        case notExists = "~exists"
        /// All do.
        case forall
    }

    /// What is said.
    package var kind: Kind
    /// Of what.
    package var condition: LitmusCondition

    /// Whether an end at which the condition holds, or not, is the one that the line asks about: that exists, or
    /// must not.
    func asksAbout(_ holds: Bool) -> Bool { kind == .forall ? !holds : holds }

    /// Whether the line is true if such an end can be reached, or cannot.
    package func isTrue(reachable: Bool) -> Bool { kind == .exists ? reachable : !reachable }
}

extension Comparison {
    func holds(_ a: Int, _ b: Int) -> Bool {
        switch self {
        case .equal: a == b
        case .notEqual: a != b
        case .less: a < b
        case .lessOrEqual: a <= b
        case .greater: a > b
        case .greaterOrEqual: a >= b
        }
    }
}
