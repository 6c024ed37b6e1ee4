import KernelLanguage

extension Kernel {
    /// All mutations of the kernel's orders, scopes, fences, barriers and waits, in the order of the text.
    public var mutations: [Mutation] {
        var result: [Mutation] = []
        var number = 0
        func visit(_ block: Block, otherwiseOf branch: Int? = nil) {
            for instruction in block.instructions {
                for change in instruction.op.weakenings {
                    result.append(
                        Mutation(
                            number: number, reach: change == .removed ? branch ?? number : number,
                            location: instruction.location, operation: instruction.op.mutationName, change: change))
                }
                let own = number
                number += 1
                for (side, nested) in instruction.op.nestedBlocks.enumerated() {
                    visit(nested, otherwiseOf: side == 1 ? own : nil)
                }
            }
        }
        visit(body)
        return result
    }

    /// Whether `mutated`, this kernel with some of its mutations, runs as this one does, step by step, as long as no
    /// thread reaches them: if it is valid, and registers have the same places in the simulator.
    public func runsAlikeUnreached(_ mutated: Kernel) -> Bool {
        (try? mutated.verify()) != nil && RegisterPlaces(self).offsets == RegisterPlaces(mutated).offsets
    }

    /// The kernel with some of its `mutations`, of different operations.
    public func applying(_ mutations: [Mutation]) -> Kernel {
        if mutations.isEmpty { return self }
        let changes = Dictionary(uniqueKeysWithValues: mutations.map { ($0.number, $0.change) })
        var number = 0
        func rewrite(_ block: Block) -> Block {
            Block(
                block.instructions.compactMap { instruction in
                    var instruction = instruction
                    let change = changes[number]
                    number += 1
                    let nested = instruction.op.nestedBlocks.map(rewrite)
                    instruction.op = instruction.op.replacing(nested)
                    if let change {
                        guard let changed = instruction.op.changed(change, at: instruction.location) else { return nil }
                        instruction.op = changed
                    }
                    return instruction
                })
        }
        var kernel = self
        kernel.body = rewrite(body)
        return kernel
    }
}

extension Op {
    fileprivate var nestedBlocks: [Block] {
        switch self {
        case .if(_, let then, let otherwise): [then, otherwise]
        case .loop(let block): [block]
        default: []
        }
    }

    fileprivate func replacing(_ blocks: [Block]) -> Op {
        switch self {
        case .if(let condition, _, _): .if(condition, then: blocks[0], else: blocks[1])
        case .loop: .loop(blocks[0])
        default: self
        }
    }
}
