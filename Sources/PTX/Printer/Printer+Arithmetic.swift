import KernelLanguage

extension Printer {
    mutating func move(_ result: Register, _ a: Operand) {
        let type = type(result)
        emit("mov.\(type.bits) \(name(result)), \(text(a, type))")
    }

    mutating func unary(_ operation: UnaryOperation, _ result: Register, _ a: Operand) {
        let type = type(result)
        let mnemonic =
            switch operation {
            case .negate: "neg.\(type.arithmetic)"
            case .not: "not.\(type.bits)"
            case .absolute: "abs.\(type.arithmetic)"
            case .populationCount: "popc.\(type.bits)"
            case .leadingZeros: "clz.\(type.bits)"
            case .exponential2: "ex2.approx.ftz.\(type.arithmetic)"
            case .reciprocal: "rcp.approx.ftz.\(type.arithmetic)"
            case .squareRoot: "sqrt.rn.\(type.arithmetic)"
            }
        emit("\(mnemonic) \(name(result)), \(inRegister(a, type))")
    }

    mutating func binary(_ operation: BinaryOperation, _ result: Register, _ a: Operand, _ b: Operand) {
        let type = type(result)
        let kind = type.arithmetic
        // The rounding is spelled out because ptxas may otherwise fuse a multiplication and an addition.
        let rounding = type == .float32 ? ".rn" : ""
        var (first, second) = (type, type)
        let mnemonic: String
        switch operation {
        case .add: mnemonic = "add\(rounding).\(kind)"
        case .subtract: mnemonic = "sub\(rounding).\(kind)"
        case .multiply: mnemonic = type == .float32 ? "mul.rn.f32" : "mul.lo.\(kind)"
        case .divide: mnemonic = "div\(rounding).\(kind)"
        case .remainder: mnemonic = "rem.\(kind)"
        case .minimum: mnemonic = "min.\(kind)"
        case .maximum: mnemonic = "max.\(kind)"
        case .multiplyWide:
            mnemonic = "mul.wide.u32"
            (first, second) = (.uint32, .uint32)
        case .and: mnemonic = "and.\(type.bits)"
        case .or: mnemonic = "or.\(type.bits)"
        case .exclusiveOr: mnemonic = "xor.\(type.bits)"
        case .shiftLeft:
            mnemonic = "shl.\(type.bits)"
            second = .uint32
        case .shiftRight:
            mnemonic = "shr.\(kind)"
            second = .uint32
        }
        let left = inRegister(a, first)
        let right = type == .bool ? inRegister(b, second) : text(b, second)
        emit("\(mnemonic) \(name(result)), \(left), \(right)")
    }

    mutating func multiplyAdd(_ result: Register, _ a: Operand, _ b: Operand, _ c: Operand) {
        let type = type(result)
        let mnemonic = type == .float32 ? "fma.rn.f32" : "mad.lo.\(type.arithmetic)"
        emit("\(mnemonic) \(name(result)), \(inRegister(a, type)), \(text(b, type)), \(text(c, type))")
    }

    mutating func compare(
        _ comparison: Comparison, _ type: ScalarType, _ result: Register, _ a: Operand, _ b: Operand
    ) {
        let relation =
            switch comparison {
            case .equal: "eq"
            case .notEqual: type == .float32 ? "neu" : "ne"
            case .less: "lt"
            case .lessOrEqual: "le"
            case .greater: "gt"
            case .greaterOrEqual: "ge"
            }
        emit("setp.\(relation).\(type.arithmetic) \(name(result)), \(inRegister(a, type)), \(text(b, type))")
    }

    mutating func select(_ result: Register, _ condition: Operand, _ a: Operand, _ b: Operand) {
        let type = type(result)
        let condition = inRegister(condition, .bool)
        guard type == .bool else {
            emit("selp.\(type.bits) \(name(result)), \(text(a, type)), \(text(b, type)), \(condition)")
            return
        }
        // selp has no predicates: (condition & a) | (!condition & b).
        let first = inRegister(a, .bool)
        let second = inRegister(b, .bool)
        let (taken, inverse) = (newRegister(.bool), newRegister(.bool))
        emit("and.pred \(taken), \(condition), \(first)")
        emit("not.pred \(inverse), \(condition)")
        emit("and.pred \(inverse), \(inverse), \(second)")
        emit("or.pred \(name(result)), \(taken), \(inverse)")
    }
}
