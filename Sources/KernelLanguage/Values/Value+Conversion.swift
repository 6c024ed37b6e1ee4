extension Value {
    /// The value converted to another type: Float to integer truncates and saturates, Float to BFloat16 rounds to
    /// nearest even, integers widen and narrow. BFloat16 and FP8 to UInt32 give the raw bits.
    public func converted<T: Scalar>(to type: T.Type) -> Value<T> {
        let result = builder.newRegister(T.scalarType)
        builder.emit(.convert(result, from: Element.scalarType, operand))
        return Value<T>(.register(result), builder)
    }

    /// The same bits under another type of the same size.
    public func reinterpreted<T: Scalar>(as type: T.Type) -> Value<T> {
        let result = builder.newRegister(T.scalarType)
        builder.emit(.reinterpret(result, from: Element.scalarType, operand))
        return Value<T>(.register(result), builder)
    }
}

extension Value where Element == UInt32 {
    /// Zero-extended to 64 bits.
    public var wide: Value<UInt64> { converted(to: UInt64.self) }
    /// The same bits as Int32.
    public var signed: Value<Int32> { converted(to: Int32.self) }

    func unpack<T: Scalar>(_ operation: UnpackOperation, _ type: T.Type) -> [Value<T>] {
        let results = (0..<operation.inverse.shape.count).map { _ in builder.newRegister(T.scalarType) }
        builder.emit(.unpack(operation, results, operand))
        return results.map { Value<T>(.register($0), builder) }
    }

    /// The two BFloat16 that the bits hold, low half first, as Float32.
    public var bfloat16Pair: [Value<Float>] { unpack(.bfloat16Pair, Float.self) }
    /// The four FP8 E4M3 that the bits hold, low byte first, as Float32.
    public var float8Quad: [Value<Float>] { unpack(.float8Quad, Float.self) }
}

extension Value where Element == UInt64 {
    /// The low and the high 32 bits.
    public var halves: (low: Value<UInt32>, high: Value<UInt32>) {
        let results = [builder.newRegister(.uint32), builder.newRegister(.uint32)]
        builder.emit(.unpack(.uint64, results, operand))
        return (Value<UInt32>(.register(results[0]), builder), Value<UInt32>(.register(results[1]), builder))
    }

    /// The low 32 bits.
    public var low: Value<UInt32> { converted(to: UInt32.self) }
}

extension KernelBuilder {
    func pack<T: Scalar, U: Scalar>(_ operation: PackOperation, _ values: [Value<U>], _ type: T.Type) -> Value<T> {
        let result = newRegister(T.scalarType)
        emit(.pack(operation, result, values.map(\.operand)))
        return Value<T>(.register(result), self)
    }

    /// Two BFloat16 in 32 bits, `low` in the low half; rounded to nearest even.
    public func packBFloat16(_ low: Value<Float>, _ high: Value<Float>) -> Value<UInt32> {
        pack(.bfloat16Pair, [low, high], UInt32.self)
    }

    /// Four FP8 E4M3 in 32 bits, the first in the low byte; rounded to nearest even, saturating to ±448.
    public func packFloat8(_ values: [Value<Float>]) -> Value<UInt32> { pack(.float8Quad, values, UInt32.self) }

    /// 64 bits from two halves.
    public func packUInt64(low: Value<UInt32>, high: Value<UInt32>) -> Value<UInt64> {
        pack(.uint64, [low, high], UInt64.self)
    }
}
