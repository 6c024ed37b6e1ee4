/// A Swift type that stands for a scalar type of the kernel language.
public protocol Scalar: Sendable {
    /// The scalar type it stands for.
    static var scalarType: ScalarType { get }
}

/// A scalar with integer arithmetic.
public protocol IntegerScalar: Scalar {
    /// The bits of a constant; traps when the constant does not fit, as Swift's own conversions do.
    static func bits(_ constant: Int) -> UInt64
}

/// A scalar on which `+ - * /`, minimum and maximum are defined.
public protocol ArithmeticScalar: Scalar {}

extension Bool: Scalar {
    /// `.bool`
    public static var scalarType: ScalarType { .bool }
}

extension UInt32: IntegerScalar, ArithmeticScalar {
    /// `.uint32`
    public static var scalarType: ScalarType { .uint32 }
    /// The constant as UInt32.
    public static func bits(_ constant: Int) -> UInt64 { UInt64(UInt32(constant)) }
}

extension Int32: IntegerScalar, ArithmeticScalar {
    /// `.int32`
    public static var scalarType: ScalarType { .int32 }
    /// The constant as Int32 in two's complement, in the low 32 bits.
    public static func bits(_ constant: Int) -> UInt64 { UInt64(UInt32(bitPattern: Int32(constant))) }
}

extension UInt64: IntegerScalar, ArithmeticScalar {
    /// `.uint64`
    public static var scalarType: ScalarType { .uint64 }
    /// The constant as UInt64.
    public static func bits(_ constant: Int) -> UInt64 { UInt64(constant) }
}

extension Float: ArithmeticScalar {
    /// `.float32`
    public static var scalarType: ScalarType { .float32 }
}

extension BFloat16: Scalar {
    /// `.bfloat16`
    public static var scalarType: ScalarType { .bfloat16 }
}

extension Float8E4M3: Scalar {
    /// `.float8E4M3`
    public static var scalarType: ScalarType { .float8E4M3 }
}
