import KernelLanguage

/// Handlers of arithmetic and comparisons.
extension Decoder {
    func unaryHandler(_ operation: UnaryOperation, _ type: ScalarType) -> StepHandler {
        switch operation {
        case .negate:
            type == .float32
                ? { w, s in unary(w, s) { (a: Float) in FloatArithmetic.canonical(-a) } }
                : { w, s in unary(w, s) { (a: Int32) in 0 &- a } }
        case .absolute:
            type == .float32
                ? { w, s in unary(w, s) { (a: Float) in FloatArithmetic.canonical(a.magnitude) } }
                : { w, s in unary(w, s) { (a: Int32) in a < 0 ? 0 &- a : a } }
        case .not:
            switch type {
            case .bool: { w, s in bitwise(w, s) { a, _ in ~a } }
            case .uint64: { w, s in unary(w, s) { (a: UInt64) in ~a } }
            default: { w, s in unary(w, s) { (a: UInt32) in ~a } }
            }
        case .populationCount: { w, s in unary(w, s) { (a: UInt32) in UInt32(a.nonzeroBitCount) } }
        case .leadingZeros: { w, s in unary(w, s) { (a: UInt32) in UInt32(a.leadingZeroBitCount) } }
        case .exponential2: { w, s in unary(w, s, FloatArithmetic.exponential2) }
        case .reciprocal: { w, s in unary(w, s, FloatArithmetic.reciprocal) }
        case .squareRoot: { w, s in unary(w, s) { (a: Float) in FloatArithmetic.canonical(a.squareRoot()) } }
        }
    }

    func binaryHandler(_ operation: BinaryOperation, _ type: ScalarType) -> StepHandler {
        switch operation {
        case .multiplyWide:
            return { w, s in binary(w, s) { (a: UInt32, b: UInt32) in UInt64(a) &* UInt64(b) } }
        case .and where type == .bool: return { w, s in bitwise(w, s) { $0 & $1 } }
        case .or where type == .bool: return { w, s in bitwise(w, s) { $0 | $1 } }
        case .exclusiveOr where type == .bool: return { w, s in bitwise(w, s) { $0 ^ $1 } }
        default: break
        }
        switch type {
        case .float32: return floatHandler(operation)
        case .uint64: return uint64Handler(operation)
        case .int32: return int32Handler(operation)
        case .bool, .uint32, .bfloat16, .float8E4M3: return uint32Handler(operation)
        }
    }

    private func floatHandler(_ operation: BinaryOperation) -> StepHandler {
        switch operation {
        case .add: { w, s in binary(w, s) { (a: Float, b: Float) in FloatArithmetic.canonical(a + b) } }
        case .subtract: { w, s in binary(w, s) { (a: Float, b: Float) in FloatArithmetic.canonical(a - b) } }
        case .multiply: { w, s in binary(w, s) { (a: Float, b: Float) in FloatArithmetic.canonical(a * b) } }
        case .divide: { w, s in binary(w, s) { (a: Float, b: Float) in FloatArithmetic.canonical(a / b) } }
        case .minimum: { w, s in binary(w, s, FloatArithmetic.minimum) }
        case .maximum: { w, s in binary(w, s, FloatArithmetic.maximum) }
        case .remainder, .multiplyWide, .and, .or, .exclusiveOr, .shiftLeft, .shiftRight: impossible
        }
    }

    private func uint32Handler(_ operation: BinaryOperation) -> StepHandler {
        switch operation {
        case .add: { w, s in binary(w, s) { (a: UInt32, b: UInt32) in a &+ b } }
        case .subtract: { w, s in binary(w, s) { (a: UInt32, b: UInt32) in a &- b } }
        case .multiply: { w, s in binary(w, s) { (a: UInt32, b: UInt32) in a &* b } }
        case .divide: { w, s in binary(w, s) { (a: UInt32, b: UInt32) in b == 0 ? .max : a / b } }
        case .remainder: { w, s in binary(w, s) { (a: UInt32, b: UInt32) in b == 0 ? a : a % b } }
        case .minimum: { w, s in binary(w, s) { (a: UInt32, b: UInt32) in a < b ? a : b } }
        case .maximum: { w, s in binary(w, s) { (a: UInt32, b: UInt32) in a > b ? a : b } }
        case .and: { w, s in binary(w, s) { (a: UInt32, b: UInt32) in a & b } }
        case .or: { w, s in binary(w, s) { (a: UInt32, b: UInt32) in a | b } }
        case .exclusiveOr: { w, s in binary(w, s) { (a: UInt32, b: UInt32) in a ^ b } }
        case .shiftLeft: { w, s in binary(w, s) { (a: UInt32, b: UInt32) in b > 31 ? 0 : a &<< b } }
        case .shiftRight: { w, s in binary(w, s) { (a: UInt32, b: UInt32) in b > 31 ? 0 : a &>> b } }
        case .multiplyWide: impossible
        }
    }

    private func int32Handler(_ operation: BinaryOperation) -> StepHandler {
        switch operation {
        case .divide:
            { w, s in binary(w, s) { (a: Int32, b: Int32) in b == 0 ? -1 : a.dividedReportingOverflow(by: b).0 } }
        case .remainder:
            { w, s in
                binary(w, s) { (a: Int32, b: Int32) in b == 0 ? a : a.remainderReportingOverflow(dividingBy: b).0 }
            }
        case .minimum: { w, s in binary(w, s) { (a: Int32, b: Int32) in a < b ? a : b } }
        case .maximum: { w, s in binary(w, s) { (a: Int32, b: Int32) in a > b ? a : b } }
        case .shiftRight: { w, s in binary(w, s) { (a: Int32, b: UInt32) in a &>> Int32(b > 31 ? 31 : b) } }
        case .add, .subtract, .multiply, .multiplyWide, .and, .or, .exclusiveOr, .shiftLeft: uint32Handler(operation)
        }
    }

    private func uint64Handler(_ operation: BinaryOperation) -> StepHandler {
        switch operation {
        case .add: { w, s in binary(w, s) { (a: UInt64, b: UInt64) in a &+ b } }
        case .subtract: { w, s in binary(w, s) { (a: UInt64, b: UInt64) in a &- b } }
        case .multiply: { w, s in binary(w, s) { (a: UInt64, b: UInt64) in a &* b } }
        case .divide: { w, s in binary(w, s) { (a: UInt64, b: UInt64) in b == 0 ? .max : a / b } }
        case .remainder: { w, s in binary(w, s) { (a: UInt64, b: UInt64) in b == 0 ? a : a % b } }
        case .minimum: { w, s in binary(w, s) { (a: UInt64, b: UInt64) in a < b ? a : b } }
        case .maximum: { w, s in binary(w, s) { (a: UInt64, b: UInt64) in a > b ? a : b } }
        case .and: { w, s in binary(w, s) { (a: UInt64, b: UInt64) in a & b } }
        case .or: { w, s in binary(w, s) { (a: UInt64, b: UInt64) in a | b } }
        case .exclusiveOr: { w, s in binary(w, s) { (a: UInt64, b: UInt64) in a ^ b } }
        case .shiftLeft: { w, s in binary(w, s) { (a: UInt64, b: UInt32) in b > 63 ? 0 : a &<< UInt64(b) } }
        case .shiftRight: { w, s in binary(w, s) { (a: UInt64, b: UInt32) in b > 63 ? 0 : a &>> UInt64(b) } }
        case .multiplyWide: impossible
        }
    }

    func multiplyAddHandler(_ type: ScalarType) -> StepHandler {
        guard type == .float32 else { return { w, s in ternary(w, s) { (a: UInt32, b, c) in a &* b &+ c } } }
        return { w, s in
            let core = core(w)
            let step = step(s)
            FloatArithmetic.multiplyAdd(
                core.lanes(step.pointee.a), core.lanes(step.pointee.b), core.lanes(step.pointee.c),
                into: core.scratch())
            core.commit32(step.pointee.d)
            return StepOutcome.proceed
        }
    }

    func comparisonHandler(_ operation: Comparison, _ type: ScalarType) -> StepHandler {
        switch type {
        case .float32: floatComparison(operation)
        case .uint64: uint64Comparison(operation)
        case .int32: int32Comparison(operation)
        case .bool, .uint32, .bfloat16, .float8E4M3: uint32Comparison(operation)
        }
    }

    private func floatComparison(_ operation: Comparison) -> StepHandler {
        switch operation {
        case .equal: { w, s in comparison(w, s) { (a: Float, b: Float) in a == b } }
        case .notEqual: { w, s in comparison(w, s) { (a: Float, b: Float) in a != b } }
        case .less: { w, s in comparison(w, s) { (a: Float, b: Float) in a < b } }
        case .lessOrEqual: { w, s in comparison(w, s) { (a: Float, b: Float) in a <= b } }
        case .greater: { w, s in comparison(w, s) { (a: Float, b: Float) in a > b } }
        case .greaterOrEqual: { w, s in comparison(w, s) { (a: Float, b: Float) in a >= b } }
        }
    }

    private func uint32Comparison(_ operation: Comparison) -> StepHandler {
        switch operation {
        case .equal: { w, s in comparison(w, s) { (a: UInt32, b: UInt32) in a == b } }
        case .notEqual: { w, s in comparison(w, s) { (a: UInt32, b: UInt32) in a != b } }
        case .less: { w, s in comparison(w, s) { (a: UInt32, b: UInt32) in a < b } }
        case .lessOrEqual: { w, s in comparison(w, s) { (a: UInt32, b: UInt32) in a <= b } }
        case .greater: { w, s in comparison(w, s) { (a: UInt32, b: UInt32) in a > b } }
        case .greaterOrEqual: { w, s in comparison(w, s) { (a: UInt32, b: UInt32) in a >= b } }
        }
    }

    private func int32Comparison(_ operation: Comparison) -> StepHandler {
        switch operation {
        case .equal, .notEqual: uint32Comparison(operation)
        case .less: { w, s in comparison(w, s) { (a: Int32, b: Int32) in a < b } }
        case .lessOrEqual: { w, s in comparison(w, s) { (a: Int32, b: Int32) in a <= b } }
        case .greater: { w, s in comparison(w, s) { (a: Int32, b: Int32) in a > b } }
        case .greaterOrEqual: { w, s in comparison(w, s) { (a: Int32, b: Int32) in a >= b } }
        }
    }

    private func uint64Comparison(_ operation: Comparison) -> StepHandler {
        switch operation {
        case .equal: { w, s in comparison(w, s) { (a: UInt64, b: UInt64) in a == b } }
        case .notEqual: { w, s in comparison(w, s) { (a: UInt64, b: UInt64) in a != b } }
        case .less: { w, s in comparison(w, s) { (a: UInt64, b: UInt64) in a < b } }
        case .lessOrEqual: { w, s in comparison(w, s) { (a: UInt64, b: UInt64) in a <= b } }
        case .greater: { w, s in comparison(w, s) { (a: UInt64, b: UInt64) in a > b } }
        case .greaterOrEqual: { w, s in comparison(w, s) { (a: UInt64, b: UInt64) in a >= b } }
        }
    }

    /// For combinations of operation and type that the verifier rejects: does nothing.
    private var impossible: StepHandler { { _, _ in StepOutcome.proceed } }
}
