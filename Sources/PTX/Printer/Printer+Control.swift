import KernelLanguage

extension Printer {
    mutating func conditional(_ condition: Operand, _ then: Block, _ otherwise: Block) {
        let end = newLabel("end")
        let condition = inRegister(condition, .bool)
        if otherwise.instructions.isEmpty {
            emit("@!\(condition) bra \(end)")
            block(then)
        } else {
            let other = newLabel("else")
            emit("@!\(condition) bra \(other)")
            block(then)
            emit("bra \(end)")
            label(other)
            block(otherwise)
        }
        label(end)
    }

    mutating func loop(_ body: Block) {
        let start = newLabel("loop")
        let end = newLabel("done")
        loopEnds.append(end)
        label(start)
        block(body)
        emit("bra \(start)")
        label(end)
        loopEnds.removeLast()
    }

    mutating func breakIf(_ condition: Operand) {
        // Outside a loop, which the verifier forbids, this names a label that does not exist.
        emit("@\(inRegister(condition, .bool)) bra \(loopEnds.last ?? "$outside_a_loop")")
    }

    mutating func exit() { emit("exit") }
}
