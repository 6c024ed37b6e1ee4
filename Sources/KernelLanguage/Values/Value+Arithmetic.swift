extension Value {
    func binary(_ operation: BinaryOperation, _ other: Operand) -> Value<Element> {
        let result = builder.newRegister(Element.scalarType)
        builder.emit(.binary(operation, result, operand, other))
        return Value(.register(result), builder)
    }

    func compare(_ comparison: Comparison, _ other: Operand) -> Condition {
        let result = builder.newRegister(.bool)
        builder.emit(.compare(comparison, Element.scalarType, result, operand, other))
        return Condition(.register(result), builder)
    }

    func unary(_ operation: UnaryOperation) -> Value<Element> {
        let result = builder.newRegister(Element.scalarType)
        builder.emit(.unary(operation, result, operand))
        return Value(.register(result), builder)
    }
}

extension Value where Element: ArithmeticScalar {
    /// Integers: modulo 2 to the power of their bits. Float32: rounded to nearest, ties to even.
    public static func + (a: Self, b: Self) -> Self { a.binary(.add, b.operand) }
    /// As `+`.
    public static func - (a: Self, b: Self) -> Self { a.binary(.subtract, b.operand) }
    /// As `+`.
    public static func * (a: Self, b: Self) -> Self { a.binary(.multiply, b.operand) }
    /// Integers: rounded towards zero; division by zero gives all ones. Float32: rounded to nearest, ties to even.
    public static func / (a: Self, b: Self) -> Self { a.binary(.divide, b.operand) }
    /// False if one is a NaN.
    public static func < (a: Self, b: Self) -> Condition { a.compare(.less, b.operand) }
    /// False if one is a NaN.
    public static func <= (a: Self, b: Self) -> Condition { a.compare(.lessOrEqual, b.operand) }
    /// False if one is a NaN.
    public static func > (a: Self, b: Self) -> Condition { a.compare(.greater, b.operand) }
    /// False if one is a NaN.
    public static func >= (a: Self, b: Self) -> Condition { a.compare(.greaterOrEqual, b.operand) }
    /// False if one is a NaN.
    public static func == (a: Self, b: Self) -> Condition { a.compare(.equal, b.operand) }
    /// True if one is a NaN.
    public static func != (a: Self, b: Self) -> Condition { a.compare(.notEqual, b.operand) }

    /// The smaller of both; -0 is smaller than 0, and a NaN loses against a number.
    public func minimum(_ other: Self) -> Self { binary(.minimum, other.operand) }
    /// The larger of both; 0 is larger than -0, and a NaN loses against a number.
    public func maximum(_ other: Self) -> Self { binary(.maximum, other.operand) }
}

extension Value where Element: IntegerScalar & ArithmeticScalar {
    private static func constant(_ value: Int) -> Operand { .constant(Element.bits(value)) }
    /// Whether a shift divides by a number: a power of two, and not of signed integers, which are rounded towards zero.
    /// ptxas does not see it for values that all lanes share, and divides them by way of a floating point reciprocal,
    /// some 150 cycles long.
    private static func isShift(_ divisor: Int) -> Bool {
        Element.scalarType != .int32 && divisor > 0 && divisor & (divisor - 1) == 0
    }

    /// The same with a constant.
    public static func + (a: Self, b: Int) -> Self { b == 0 ? a : a.binary(.add, constant(b)) }
    /// The same with a constant.
    public static func - (a: Self, b: Int) -> Self { b == 0 ? a : a.binary(.subtract, constant(b)) }
    /// The same with a constant.
    public static func * (a: Self, b: Int) -> Self { b == 1 ? a : a.binary(.multiply, constant(b)) }
    /// The same with a constant.
    public static func / (a: Self, b: Int) -> Self {
        isShift(b) ? a >> b.trailingZeroBitCount : a.binary(.divide, constant(b))
    }
    /// The remainder, with the sign of `a`; where `b` is 0, `a`.
    public static func % (a: Self, b: Int) -> Self { isShift(b) ? a & (b - 1) : a.binary(.remainder, constant(b)) }
    /// The remainder, with the sign of `a`; where `b` is 0, `a`.
    public static func % (a: Self, b: Self) -> Self { a.binary(.remainder, b.operand) }
    /// The same with a constant.
    public static func < (a: Self, b: Int) -> Condition { a.compare(.less, constant(b)) }
    /// The same with a constant.
    public static func <= (a: Self, b: Int) -> Condition { a.compare(.lessOrEqual, constant(b)) }
    /// The same with a constant.
    public static func > (a: Self, b: Int) -> Condition { a.compare(.greater, constant(b)) }
    /// The same with a constant.
    public static func >= (a: Self, b: Int) -> Condition { a.compare(.greaterOrEqual, constant(b)) }
    /// The same with a constant.
    public static func == (a: Self, b: Int) -> Condition { a.compare(.equal, constant(b)) }
    /// The same with a constant.
    public static func != (a: Self, b: Int) -> Condition { a.compare(.notEqual, constant(b)) }
    /// Bits that are set in both.
    public static func & (a: Self, b: Self) -> Self { a.binary(.and, b.operand) }
    /// Bits that are set in both.
    public static func & (a: Self, b: Int) -> Self { a.binary(.and, constant(b)) }
    /// Bits that are set in one of them or both.
    public static func | (a: Self, b: Self) -> Self { a.binary(.or, b.operand) }
    /// Bits that are set in one of them or both.
    public static func | (a: Self, b: Int) -> Self { a.binary(.or, constant(b)) }
    /// Bits that are set in only one of them.
    public static func ^ (a: Self, b: Self) -> Self { a.binary(.exclusiveOr, b.operand) }
    /// Bits that are set in only one of them.
    public static func ^ (a: Self, b: Int) -> Self { a.binary(.exclusiveOr, constant(b)) }
    /// 0 where `b` is as large as the number of bits or larger; `b` is 0 or more.
    public static func << (a: Self, b: Int) -> Self { b == 0 ? a : a.binary(.shiftLeft, .constant(UInt64(b))) }
    /// Signed integers keep their sign. Where `b` is as large as the number of bits or larger, only the sign is left.
    public static func >> (a: Self, b: Int) -> Self { b == 0 ? a : a.binary(.shiftRight, .constant(UInt64(b))) }
    /// 0 where `b` is as large as the number of bits or larger.
    public static func << (a: Self, b: Value<UInt32>) -> Self { a.binary(.shiftLeft, b.operand) }
    /// Signed integers keep their sign. Where `b` is as large as the number of bits or larger, only the sign is left.
    public static func >> (a: Self, b: Value<UInt32>) -> Self { a.binary(.shiftRight, b.operand) }
    /// All bits inverted.
    public static prefix func ~ (a: Self) -> Self { a.unary(.not) }
}

extension Value where Element == Float {
    private static func constant(_ value: Float) -> Operand { .constant(UInt64(value.bitPattern)) }

    /// The same with a constant.
    public static func + (a: Self, b: Float) -> Self { a.binary(.add, constant(b)) }
    /// The same with a constant.
    public static func - (a: Self, b: Float) -> Self { a.binary(.subtract, constant(b)) }
    /// The same with a constant.
    public static func * (a: Self, b: Float) -> Self { a.binary(.multiply, constant(b)) }
    /// The same with a constant.
    public static func / (a: Self, b: Float) -> Self { a.binary(.divide, constant(b)) }
    /// False if one is a NaN.
    public static func < (a: Self, b: Float) -> Condition { a.compare(.less, constant(b)) }
    /// False if one is a NaN.
    public static func > (a: Self, b: Float) -> Condition { a.compare(.greater, constant(b)) }
    /// False if one is a NaN.
    public static func == (a: Self, b: Float) -> Condition { a.compare(.equal, constant(b)) }
    /// True if one is a NaN.
    public static func != (a: Self, b: Float) -> Condition { a.compare(.notEqual, constant(b)) }
    /// The same with the other sign, zeros as well.
    public static prefix func - (a: Self) -> Self { a.unary(.negate) }

    /// `self * factor + addend`, rounded once.
    public func multiply(_ factor: Self, add addend: Self) -> Self {
        let result = builder.newRegister(.float32)
        builder.emit(.multiplyAdd(result, operand, factor.operand, addend.operand))
        return Value(.register(result), builder)
    }

    /// |self|
    public var magnitude: Self { unary(.absolute) }
    /// 2 to the power of self, relative error at most 2⁻²²; subnormal operands and results are flushed to zeros of
    /// their sign.
    ///
    /// Like `reciprocal`, one instruction of the hardware, where more accuracy takes ten and a branch.
    public var exponential2: Self { unary(.exponential2) }
    /// 1 / self, relative error at most 2⁻²²; subnormal operands and results are flushed to zeros of their sign.
    public var reciprocal: Self { unary(.reciprocal) }
    /// Square root, correctly rounded.
    public var squareRoot: Self { unary(.squareRoot) }
}

extension Value where Element == UInt32 {
    /// Number of one bits.
    public var populationCount: Self { unary(.populationCount) }
    /// Number of zero bits above the highest one; 32 for zero.
    public var leadingZeros: Self { unary(.leadingZeros) }

    /// `self * factor` as UInt64.
    public func multipliedWide(by factor: Value<UInt32>) -> Value<UInt64> { multipliedWide(factor.operand) }
    /// `self * factor` as UInt64.
    public func multipliedWide(by factor: Int) -> Value<UInt64> { multipliedWide(.constant(UInt32.bits(factor))) }

    private func multipliedWide(_ factor: Operand) -> Value<UInt64> {
        let result = builder.newRegister(.uint64)
        builder.emit(.binary(.multiplyWide, result, operand, factor))
        return Value<UInt64>(.register(result), builder)
    }

    /// `self * factor + addend` modulo 2³².
    public func multiply(_ factor: Int, add addend: Self) -> Self {
        let result = builder.newRegister(.uint32)
        builder.emit(.multiplyAdd(result, operand, .constant(UInt32.bits(factor)), addend.operand))
        return Value(.register(result), builder)
    }
}

extension Value where Element == Bool {
    /// Both are computed, whatever `a` is.
    public static func && (a: Self, b: Self) -> Self { a.binary(.and, b.operand) }
    /// Both are computed, whatever `a` is.
    public static func || (a: Self, b: Self) -> Self { a.binary(.or, b.operand) }
    /// Whether the condition does not hold.
    public static prefix func ! (a: Self) -> Self { a.unary(.not) }

    /// `a` where the condition holds, else `b`; both are computed.
    public func select<T: Scalar>(_ a: Value<T>, _ b: Value<T>) -> Value<T> {
        let result = builder.newRegister(T.scalarType)
        builder.emit(.select(result, condition: operand, a.operand, b.operand))
        return Value<T>(.register(result), builder)
    }
}
