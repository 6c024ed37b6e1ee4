import KernelLanguage

/// Reads instructions with modifiers.
extension LitmusReader {
    /// Order and scope among the modifiers, and the rest of them. With `known`, which an error lists, there must be no
    /// rest.
    private func order(
        _ modifiers: [LitmusToken], of what: String, _ start: LitmusToken, strengths: [String: MemoryOrder.Strength],
        weakest: MemoryOrder.Strength, defaultScope: MemoryScope?, known: [String]? = nil
    ) throws(LitmusError) -> (order: MemoryOrder, rest: [LitmusToken]) {
        let scopes: [String: MemoryScope] = ["cta": .block, "gpu": .gpu, "sys": .system]
        var strength: MemoryOrder.Strength?
        var scope: MemoryScope?
        var rest: [LitmusToken] = []
        for token in modifiers {
            guard case .word(let word) = token.kind else { continue }
            if let found = scopes[word] {
                guard scope == nil else { throw token.error(.modifier("the \(what) has two scopes; give it one")) }
                scope = found
            } else if let found = strengths[word] {
                guard strength == nil else { throw token.error(.modifier("the \(what) has two orders; give it one")) }
                strength = found
                // A volatile access is a relaxed one at system scope.
                if word == "volatile" { scope = .system }
            } else {
                rest.append(token)
            }
        }
        if let known { try nothingElse(rest, of: what, known: known) }
        let order = strength ?? weakest
        if order == .weak {
            guard scope == nil else { throw start.error(.modifier("a weak \(what) has no scope; leave it out")) }
            return (.weak, rest)
        }
        guard let scope = scope ?? defaultScope else {
            throw start.error(.modifier("the \(what) is \(order.rawValue) and needs a scope: cta, gpu or sys"))
        }
        return (MemoryOrder(order, scope), rest)
    }

    private func nothingElse(_ rest: [LitmusToken], of what: String, known: [String]) throws(LitmusError) {
        guard let token = rest.first, case .word(let word) = token.kind else { return }
        throw token.error(.unknown("modifier of a \(what)", word: word, known: known))
    }

    mutating func load(
        _ proxy: LitmusProxy, _ modifiers: [LitmusToken], _ start: LitmusToken
    ) throws(LitmusError) -> LitmusInstruction {
        let (order, _) = try order(
            modifiers, of: "load", start,
            strengths: ["weak": .weak, "relaxed": .relaxed, "acquire": .acquire, "volatile": .relaxed], weakest: .weak,
            defaultScope: nil, known: ["weak", "relaxed", "acquire", "volatile", "cta", "gpu", "sys"])
        let register = try register()
        try skip(",")
        // In this format a load of a value is a move.
        if case .number = token.kind { return .move(register, try value()) }
        if case .word(let word) = token.kind, Self.registerNumber(word) != nil { return .move(register, try value()) }
        return .load(LitmusAccess(location: try place(), order: order, proxy: proxy), register)
    }

    mutating func store(
        _ proxy: LitmusProxy, _ modifiers: [LitmusToken], _ start: LitmusToken
    ) throws(LitmusError) -> LitmusInstruction {
        let (order, _) = try order(
            modifiers, of: "store", start,
            strengths: ["weak": .weak, "relaxed": .relaxed, "release": .release, "volatile": .relaxed], weakest: .weak,
            defaultScope: nil, known: ["weak", "relaxed", "release", "volatile", "cta", "gpu", "sys"])
        let location = try place()
        try skip(",")
        return .store(LitmusAccess(location: location, order: order, proxy: proxy), try value())
    }

    mutating func atomic(
        _ proxy: LitmusProxy, _ modifiers: [LitmusToken], _ start: LitmusToken, hasResult: Bool
    ) throws(LitmusError) -> LitmusInstruction {
        let what = hasResult ? "atom" : "red"
        let operations =
            LitmusArithmetic.allCases.map(\.rawValue) + ["min", "max"] + (hasResult ? ["exch", "cas"] : [])
        let (order, rest) = try order(
            modifiers, of: what, start,
            strengths: [
                "relaxed": .relaxed, "acquire": .acquire, "release": .release, "acq_rel": .acquireRelease,
            ], weakest: .relaxed, defaultScope: .gpu)
        guard let token = rest.first, case .word(let operation) = token.kind else {
            throw start.error(
                .modifier("the \(what) has no operation; there are \(operations.joined(separator: ", "))"))
        }
        try nothingElse(Array(rest.dropFirst()), of: what, known: ["relaxed", "acquire", "release", "acq_rel"])
        guard operations.contains(operation) else {
            throw token.error(.unknown("operation of \(what)", word: operation, known: operations))
        }
        var register: Int?
        if hasResult {
            register = try self.register()
            try skip(",")
        }
        let access = LitmusAccess(location: try place(), order: order, proxy: proxy)
        try skip(",")
        let first = try value()
        let change: LitmusChange
        switch operation {
        case "exch": change = .exchange(first)
        case "min": change = .minimum(first)
        case "max": change = .maximum(first)
        case "cas":
            try skip(",")
            change = .compareAndSwap(expected: first, value: try value())
        default: change = .arithmetic(LitmusArithmetic(rawValue: operation) ?? .add, first)
        }
        return .atomic(change, access, register)
    }

    func fence(_ modifiers: [LitmusToken], _ start: LitmusToken) throws(LitmusError) -> LitmusInstruction {
        let words = modifiers.compactMap { if case .word(let word) = $0.kind { word } else { nil } }
        if words.first == "proxy" {
            guard words.count == 2 else { throw start.error(.modifier("fence.proxy has one modifier: which proxy")) }
            return words[1] == "alias" ? .aliasFence : .proxyFence(try proxy(words[1], at: modifiers[1]))
        }
        let (order, _) = try order(
            modifiers, of: "fence", start,
            strengths: ["acq_rel": .acquireRelease, "sc": .sequentiallyConsistent], weakest: .acquireRelease,
            defaultScope: nil, known: ["acq_rel", "sc", "cta", "gpu", "sys", "proxy"])
        return .fence(order)
    }

    /// The old name of sequentially consistent fences.
    func membar(_ modifiers: [LitmusToken], _ start: LitmusToken) throws(LitmusError) -> LitmusInstruction {
        let scopes: [String: MemoryScope] = ["cta": .block, "gl": .gpu, "sys": .system]
        guard modifiers.count == 1, case .word(let word) = modifiers[0].kind, let scope = scopes[word] else {
            throw start.error(.modifier("membar has one modifier: cta, gl or sys"))
        }
        return .fence(.sequentiallyConsistent(scope))
    }

    mutating func barrier(_ modifiers: [LitmusToken], _ start: LitmusToken) throws(LitmusError) -> LitmusInstruction {
        var words = modifiers.compactMap { if case .word(let word) = $0.kind { word } else { nil } }
        if words.first == "cta" { words.removeFirst() }
        guard words.count == 1, ["sync", "arrive"].contains(words[0]) else {
            throw start.error(.modifier("a barrier is bar.cta.sync or bar.cta.arrive"))
        }
        guard case .number(let instance) = token.kind, instance >= 0 else {
            throw expected("a number of a barrier")
        }
        skip()
        var barrier = LitmusBarrier(instance: instance, onlyArrives: words[0] == "arrive")
        if skip(ifSymbol: ",") { barrier.name = try value() }
        if skip(ifSymbol: ",") { barrier.quorum = try value() }
        return .barrier(barrier)
    }
}
