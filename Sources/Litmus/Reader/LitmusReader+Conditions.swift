import KernelLanguage

/// Reads filter and question.
extension LitmusReader {
    mutating func question() throws(LitmusError) -> LitmusQuestion {
        let kind: LitmusQuestion.Kind
        if isWord("exists") {
            kind = .exists
        } else if isWord("forall") {
            kind = .forall
        } else if isSymbol("~") || isWord("not") {
            skip()
            guard isWord("exists") else { throw expected("'exists'") }
            kind = .notExists
        } else {
            throw expected("exists, ~exists or forall")
        }
        skip()
        return LitmusQuestion(kind: kind, condition: try condition())
    }

    /// A disjunction of conjunctions.
    mutating func condition(depth: Int = 0) throws(LitmusError) -> LitmusCondition {
        guard depth < Self.depthLimit else { throw token.error(.tooMany("nested conditions", limit: Self.depthLimit)) }
        var result = try conjunction(depth)
        while skip(ifSymbol: "\\/") { result = .or(result, try conjunction(depth)) }
        return result
    }

    private mutating func conjunction(_ depth: Int) throws(LitmusError) -> LitmusCondition {
        var result = try factor(depth)
        while skip(ifSymbol: "/\\") { result = .and(result, try factor(depth)) }
        return result
    }

    private mutating func factor(_ depth: Int) throws(LitmusError) -> LitmusCondition {
        if isSymbol("~") || isWord("not") {
            guard depth < Self.depthLimit else {
                throw token.error(.tooMany("nested conditions", limit: Self.depthLimit))
            }
            skip()
            return .not(try factor(depth + 1))
        }
        if skip(ifSymbol: "(") {
            let inner = try condition(depth: depth + 1)
            try skip(")")
            return inner
        }
        let first = try term()
        let comparison = try comparison()
        return .compare(comparison, first, try term())
    }

    private mutating func comparison() throws(LitmusError) -> Comparison {
        let all: [String: Comparison] = [
            "=": .equal, "==": .equal, "!=": .notEqual, "<": .less, "<=": .lessOrEqual, ">": .greater,
            ">=": .greaterOrEqual,
        ]
        guard case .symbol(let symbol) = token.kind, let comparison = all[symbol] else {
            throw expected("a comparison such as ==")
        }
        skip()
        return comparison
    }

    private mutating func term() throws(LitmusError) -> LitmusTerm {
        let start = token
        if let number = threadNumber(followedBy: ":") {
            skip(2)
            guard let thread = threadNumbers[number] else {
                throw start.error(.missing("thread", name: "P\(number)"))
            }
            return .register(thread: thread, try register())
        }
        if case .number(let value) = token.kind {
            skip()
            return .constant(value)
        }
        let isBracketed = skip(ifSymbol: "[")
        let name = try name("a register of a thread such as P0:r1, a location or a number")
        // A location that nothing declares or accesses is a typing error.
        guard let location = locationNumbers[name] else { throw start.error(.missing("location", name: name)) }
        if isBracketed { try skip("]") }
        return .memory(location)
    }
}
