import KernelLanguage

/// Reads the columns of the threads.
extension LitmusReader {
    private static let ends = ["exists", "forall", "filter", "locations", "not", "final"]

    /// Where a jump of a thread goes, before all its labels are known.
    private struct Jump {
        let thread: Int
        let instruction: Int
        let label: String
        let token: LitmusToken
    }

    mutating func rows() throws(LitmusError) {
        var labels = [[String: Int]](repeating: [:], count: threads.count)
        var jumps: [Jump] = []
        while !isEnd {
            var cell = 0
            var hasSurplus = false
            let start = token
            repeat {
                if cell < threads.count { try self.cell(cell, &labels[cell], &jumps) }
                cell += 1
                // Surplus cells must be empty; otherwise count them all for the error.
                if cell > threads.count, !isSymbol("|"), !isSymbol(";") {
                    hasSurplus = true
                    while !isSymbol("|"), !isSymbol(";"), token.kind != .end { skip() }
                }
            } while skip(ifSymbol: "|")
            guard cell >= threads.count, !hasSurplus else {
                throw start.error(.cells(found: cell, threads: threads.count))
            }
            try skip(";")
        }
        for jump in jumps {
            guard let target = labels[jump.thread][jump.label] else {
                throw jump.token.error(.missing("label", name: jump.label))
            }
            switch threads[jump.thread].instructions[jump.instruction].instruction {
            case .branch(let comparison, let a, let b, _):
                threads[jump.thread].instructions[jump.instruction].instruction = .branch(
                    comparison, a, b, target: target)
            default: threads[jump.thread].instructions[jump.instruction].instruction = .jump(target: target)
            }
        }
    }

    private var isEnd: Bool {
        if token.kind == .end || isSymbol("~") { return true }
        if case .word(let word) = token.kind { return Self.ends.contains(word) }
        return false
    }

    /// Nothing, labels, an instruction, or labels and an instruction.
    private mutating func cell(
        _ thread: Int, _ labels: inout [String: Int], _ jumps: inout [Jump]
    ) throws(LitmusError) {
        while case .word(let word) = token.kind, position + 1 < tokens.count,
            tokens[position + 1].kind == .symbol(":")
        {
            guard labels[word] == nil else { throw token.error(.repeated("label", name: word)) }
            labels[word] = threads[thread].instructions.count
            skip(2)
        }
        guard case .word = token.kind else { return }
        let start = token
        guard threads[thread].instructions.count < Self.instructionLimit else {
            throw start.error(.tooMany("instructions of a thread", limit: Self.instructionLimit))
        }
        let (instruction, label) = try instruction()
        if let label {
            guard case .word(let name) = label.kind else { throw label.error(.expected("a label", found: label.shown)) }
            jumps.append(
                Jump(thread: thread, instruction: threads[thread].instructions.count, label: name, token: label))
        }
        threads[thread].instructions.append(.init(instruction: instruction, line: start.line))
    }

    private static let comparisons: [String: Comparison] = [
        "beq": .equal, "bne": .notEqual, "blt": .less, "ble": .lessOrEqual, "bgt": .greater, "bge": .greaterOrEqual,
    ]
    private static let loads: [String: LitmusProxy] = [
        "ld": .generic, "tld": .texture, "suld": .surface, "cold": .constant,
    ]
    private static let stores: [String: LitmusProxy] = ["st": .generic, "sust": .surface]
    private static let atomics: [String: LitmusProxy] = ["atom": .generic, "suatom": .surface]
    private static let reductions: [String: LitmusProxy] = ["red": .generic, "sured": .surface]
    private static let known =
        ["mov", "goto", "fence", "membar", "bar", "barrier"] + LitmusArithmetic.allCases.map(\.rawValue)
        + [loads, stores, atomics, reductions].flatMap { $0.keys.sorted() } + comparisons.keys.sorted()

    /// An instruction, and the label that it may jump to.
    private mutating func instruction() throws(LitmusError) -> (LitmusInstruction, LitmusToken?) {
        let start = token
        let word = try name("an instruction")
        if let comparison = Self.comparisons[word] {
            let a = try value()
            try skip(",")
            let b = try value()
            try skip(",")
            let label = token
            skip()
            return (.branch(comparison, a, b, target: 0), label)
        }
        if word == "goto" {
            let label = token
            skip()
            return (.jump(target: 0), label)
        }
        if let operation = LitmusArithmetic(rawValue: word) {
            let register = try register()
            try skip(",")
            let a = try value()
            try skip(",")
            return (.arithmetic(operation, register, a, try value()), nil)
        }
        if word == "mov" {
            let register = try register()
            try skip(",")
            return (.move(register, try value()), nil)
        }
        let modifiers = try modifiers()
        if let proxy = Self.loads[word] { return (try load(proxy, modifiers, start), nil) }
        if let proxy = Self.stores[word] { return (try store(proxy, modifiers, start), nil) }
        if let proxy = Self.atomics[word] { return (try atomic(proxy, modifiers, start, hasResult: true), nil) }
        if let proxy = Self.reductions[word] { return (try atomic(proxy, modifiers, start, hasResult: false), nil) }
        switch word {
        case "fence": return (try fence(modifiers, start), nil)
        case "membar": return (try membar(modifiers, start), nil)
        case "bar", "barrier": return (try barrier(modifiers, start), nil)
        default: throw start.error(.unknown("instruction", word: word, known: Self.known))
        }
    }

    private mutating func modifiers() throws(LitmusError) -> [LitmusToken] {
        var result: [LitmusToken] = []
        while skip(ifSymbol: ".") {
            guard case .word = token.kind else { throw expected("a modifier") }
            result.append(token)
            skip()
        }
        return result
    }

    mutating func value() throws(LitmusError) -> LitmusValue {
        if case .number(let value) = token.kind {
            skip()
            return .constant(value)
        }
        guard case .word(let word) = token.kind, let register = Self.registerNumber(word) else {
            throw expected("a register or a number")
        }
        skip()
        return .register(register)
    }

    mutating func place() throws(LitmusError) -> Int {
        let isBracketed = skip(ifSymbol: "[")
        let start = token
        let location = try location(name("a location"), at: start)
        if isBracketed { try skip("]") }
        return location
    }
}
