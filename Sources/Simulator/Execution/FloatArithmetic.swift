#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Float32 arithmetic as PTX defines it, where that differs from Swift's.
enum FloatArithmetic {
    /// The NaN that PTX operations give, whatever NaN went in.
    @inline(__always)
    static func canonical(_ value: Float) -> Float {
        value == value ? value : Float(bitPattern: 0x7FFF_FFFF)
    }

    /// PTX `min.f32`: the other operand when one is NaN, and -0 below +0.
    @inline(__always)
    static func minimum(_ a: Float, _ b: Float) -> Float {
        let equal = Float(bitPattern: a.bitPattern | b.bitPattern)
        let ordered = a < b ? a : (b < a ? b : equal)
        return a != a ? (b != b ? Float(bitPattern: 0x7FFF_FFFF) : b) : (b != b ? a : ordered)
    }

    /// PTX `max.f32`.
    @inline(__always)
    static func maximum(_ a: Float, _ b: Float) -> Float {
        let equal = Float(bitPattern: a.bitPattern & b.bitPattern)
        let ordered = a > b ? a : (b > a ? b : equal)
        return a != a ? (b != b ? Float(bitPattern: 0x7FFF_FFFF) : b) : (b != b ? a : ordered)
    }

    /// PTX `.ftz`: a zero of the same sign for a subnormal number.
    static func flushed(_ value: Float) -> Float { value.isSubnormal ? Float(signOf: value, magnitudeOf: 0) : value }

    /// PTX `ex2.approx.ftz`, without its error.
    static func exponential2(_ value: Float) -> Float { canonical(flushed(Float(exp2(Double(flushed(value)))))) }

    /// PTX `rcp.approx.ftz`, without its error.
    static func reciprocal(_ value: Float) -> Float { canonical(flushed(1 / flushed(value))) }

    /// `a * b + c` rounded once, by rounding the Double sum to odd: Double holds the product exactly and has more than
    /// two bits to spare, so that the second rounding cannot see a false tie (Boldo, Melquiond: "Emulation of a FMA").
    static func multiplyAddExactly(_ a: Float, _ b: Float, _ c: Float) -> Float {
        let product = Double(a) * Double(b)
        let addend = Double(c)
        let sum = product + addend
        let part = sum - product
        let error = (product - (sum - part)) + (addend - part)
        guard sum.isFinite, error != 0, sum.bitPattern & 1 == 0 else { return canonical(Float(sum)) }
        let grows = (error > 0) == (sum > 0)
        return Float(Double(bitPattern: grows ? sum.bitPattern + 1 : sum.bitPattern - 1))
    }

    /// `multiplyAddExactly` for 32 lanes. Rounding the Double sum to Float is right unless that sum lies exactly in
    /// the middle between two Floats or near the subnormals; only then the slow way is taken.
    @inline(__always)
    static func multiplyAdd(
        _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafePointer<Float>,
        into result: UnsafeMutablePointer<Float>
    ) {
        var doubtful: UInt64 = 0
        for lane in 0..<32 {
            let sum = Double(a[lane]) * Double(b[lane]) + Double(c[lane])
            result[lane] = canonical(Float(sum))
            let middle: UInt64 = sum.bitPattern & 0x1FFF_FFFF == 0x1000_0000 ? 1 : 0
            let small: UInt64 = sum.magnitude < 0x1p-120 ? 1 : 0
            doubtful |= middle | small
        }
        if doubtful != 0 {
            for lane in 0..<32 { result[lane] = multiplyAddExactly(a[lane], b[lane], c[lane]) }
        }
    }

    @inline(__always)
    static func toUInt32(_ value: Float) -> UInt32 {
        if !(value > 0) { return 0 }
        return value >= 0x1p32 ? .max : UInt32(value)
    }

    @inline(__always)
    static func toInt32(_ value: Float) -> Int32 {
        if value != value { return 0 }
        if value >= 0x1p31 { return .max }
        return value <= -0x1p31 ? .min : Int32(value)
    }
}
