import KernelLanguage

private let integers: [UInt32] = [
    0, 1, 2, 3, 31, 32, 33, 0x7FFF_FFFF, 0x8000_0000, 0x8000_0001, 0xFFFF_FFFE, 0xFFFF_FFFF,
]

private let floats: [Float] = [
    0, -0.0, 1, -1, 0.1, 3.3333333, -7.5e-3, 448, 1e30, -1e30, 3.4028235e38, 1.1754944e-38, 0x1p-149, -0x1.a2p-131,
    .infinity,
    -.infinity, 65504, 16_777_216, 0x1.000002p0, 0x1.fffffep-1,
]

func arithmeticCases() -> [ConformanceCase] { integerCases() + floatCases() + conversionCases() }

private func integerCase(
    _ name: String, expected: (UInt32, UInt32) -> UInt32,
    _ body: @escaping @Sendable (Value<UInt32>, Value<UInt32>) -> Value<UInt32>
) -> ConformanceCase {
    let operands = pairs(integers)
    return elementwiseCase(name, operands, expected: zip(operands[0], operands[1]).map(expected)) { _, values in
        body(values[0], values[1])
    }
}

private func integerCases() -> [ConformanceCase] {
    @Sendable func signed(_ a: Value<UInt32>) -> Value<Int32> { a.signed }
    @Sendable func word(_ a: Value<Int32>) -> Value<UInt32> { a.converted(to: UInt32.self) }
    func bits(_ a: Int32) -> UInt32 { UInt32(bitPattern: a) }
    return [
        integerCase("add UInt32", expected: &+) { $0 + $1 },
        integerCase("subtract UInt32", expected: &-) { $0 - $1 },
        integerCase("multiply UInt32", expected: &*) { $0 * $1 },
        integerCase("divide UInt32", expected: { $1 == 0 ? .max : $0 / $1 }) { $0 / $1 },
        integerCase("divide UInt32 by constants", expected: { $0 / 8 &+ $1 / 7 &+ $1 / 1 }) {
            $0 / 8 + $1 / 7 + $1 / 1
        },
        integerCase("remainders by constants", expected: { $0 % 8 &+ $1 % 7 &+ $1 % 1 }) { $0 % 8 + $1 % 7 + $1 % 1 },
        integerCase("divide Int32 by a power of two", expected: { a, _ in bits(Int32(bitPattern: a) / 4) }) { a, _ in
            word(signed(a) / 4)
        },
        integerCase("minimum UInt32", expected: min) { $0.minimum($1) },
        integerCase("maximum UInt32", expected: max) { $0.maximum($1) },
        integerCase("and or xor", expected: { ($0 & $1) ^ ($0 | $1) }) { ($0 & $1) ^ ($0 | $1) },
        integerCase("shift left", expected: { $1 > 31 ? 0 : $0 << $1 }) { $0 << $1 },
        integerCase("shift right", expected: { $1 > 31 ? 0 : $0 >> $1 }) { $0 >> $1 },
        integerCase(
            "shift right Int32",
            expected: { bits(Int32(bitPattern: $0) >> Int32(min($1, 31))) }
        ) { word(signed($0) >> $1) },
        integerCase("minimum Int32", expected: { bits(min(Int32(bitPattern: $0), Int32(bitPattern: $1))) }) {
            word(signed($0).minimum(signed($1)))
        },
        integerCase("compare Int32", expected: { Int32(bitPattern: $0) < Int32(bitPattern: $1) ? 1 : 0 }) {
            (signed($0) < signed($1)).converted(to: UInt32.self)
        },
        integerCase("compare UInt32", expected: { $0 <= $1 ? 1 : 0 }) { ($0 <= $1).converted(to: UInt32.self) },
        integerCase("multiply wide", expected: { UInt32((UInt64($0) * UInt64($1)) >> 32) }) {
            $0.multipliedWide(by: $1).halves.high
        },
        integerCase("add UInt64", expected: { UInt32(((UInt64($0) << 20) &+ UInt64($1)) >> 16 & 0xFFFF_FFFF) }) {
            ((($0.wide << 20) + $1.wide) >> 16).low
        },
        integerCase("bit counts", expected: { UInt32($0.nonzeroBitCount * 64 + $1.leadingZeroBitCount) }) {
            $0.populationCount * 64 + $1.leadingZeros
        },
    ]
}

private func floatCase(
    _ name: String, relativeError: Double = 0, expected: (Float, Float) -> Float,
    _ body: @escaping @Sendable (Value<Float>, Value<Float>) -> Value<Float>
) -> ConformanceCase {
    let operands = pairs(floats.map(\.bitPattern))
    let results = zip(operands[0], operands[1]).map {
        expected(Float(bitPattern: $0), Float(bitPattern: $1)).bitPattern
    }
    return elementwiseCase(
        name, operands, expected: results, tolerance: { isNear($0, $1, relativeError: relativeError) }
    ) { _, values in
        body(values[0].reinterpreted(as: Float.self), values[1].reinterpreted(as: Float.self))
            .reinterpreted(as: UInt32.self)
    }
}

/// Whether a result that differs from the exact one is as near to it as an operation promises. Any NaN is as good as
/// another.
private func isNear(_ result: UInt32, _ exact: UInt32, relativeError: Double) -> Bool {
    let (result, exact) = (Float(bitPattern: result), Float(bitPattern: exact))
    if result.isNaN || exact.isNaN { return result.isNaN && exact.isNaN }
    guard result.isNormal, exact.isNormal else { return false }
    return (Double(result) - Double(exact)).magnitude <= Double(exact).magnitude * relativeError
}

/// A zero of the same sign for a subnormal number.
private func flushed(_ value: Float) -> Float { value.isSubnormal ? value * 0 : value }

private func floatCases() -> [ConformanceCase] {
    [
        floatCase("add Float32", expected: +) { $0 + $1 },
        floatCase("subtract Float32", expected: -) { $0 - $1 },
        floatCase("multiply Float32", expected: *) { $0 * $1 },
        floatCase("divide Float32", expected: /) { $0 / $1 },
        floatCase("multiply-add Float32", expected: { $0.addingProduct($1, $0) }) { $1.multiply($0, add: $0) },
        floatCase("minimum Float32", expected: { $0 == $1 ? ($0.sign == .minus ? $0 : $1) : Float.minimum($0, $1) }) {
            $0.minimum($1)
        },
        floatCase("maximum Float32", expected: { $0 == $1 ? ($0.sign == .minus ? $1 : $0) : Float.maximum($0, $1) }) {
            $0.maximum($1)
        },
        floatCase("reciprocal", relativeError: 0x1p-22, expected: { a, _ in flushed(1 / flushed(a)) }) { a, _ in
            a.reciprocal
        },
        floatCase("square root", expected: { a, _ in a.magnitude.squareRoot() }) { a, _ in a.magnitude.squareRoot },
        floatCase("negate and compare", expected: { $0 < $1 ? -$0 : $1 }) { ($0 < $1).select(-$0, $1) },
        exponentialCase(),
    ]
}

private func exponentialCase() -> ConformanceCase {
    let inputs = (0..<256).map { (Float($0) - 128) * 0.731 }
    let powers: [UInt32] = inputs.map { x in
        // 2^x = 2^n * 2^f with f in 0..<1, by a series in Double.
        let n = Double(x).rounded(.down)
        let f = (Double(x) - n) * 0.693_147_180_559_945_3
        let series = (1...30).reversed().reduce(1.0) { 1 + f / Double($1) * $0 }
        return Float(series * Double(sign: .plus, exponent: Int(n), significand: 1)).bitPattern
    }
    return elementwiseCase(
        "exponential2", [inputs.map(\.bitPattern)], expected: powers,
        tolerance: { isNear($0, $1, relativeError: 0x1p-22) }
    ) { _, values in values[0].reinterpreted(as: Float.self).exponential2.reinterpreted(as: UInt32.self) }
}

private func conversionCases() -> [ConformanceCase] {
    let inputs: [Float] =
        floats + [
            0.5, 1.5, 2.5, -0.5, 447, 449, 464, 1e9, 3e9, 5e9, -5e9, 0.0009765625, 0.0019, 0.00293, 17, 18, 19, .nan,
        ]
    let bits = inputs.map(\.bitPattern)
    @Sendable func float(_ values: [Value<UInt32>]) -> Value<Float> { values[0].reinterpreted(as: Float.self) }
    func saturated<T: FixedWidthInteger>(_ x: Float, _ type: T.Type) -> T {
        x.isNaN ? 0 : T(exactly: x.rounded(.towardZero)) ?? (x < 0 ? T.min : T.max)
    }
    let codes = (0..<256).map { UInt32($0) }
    return [
        elementwiseCase(
            "Float32 to Int32", [bits], expected: inputs.map { UInt32(bitPattern: saturated($0, Int32.self)) }
        ) {
            float($1).converted(to: Int32.self).converted(to: UInt32.self)
        },
        elementwiseCase("Float32 to UInt32", [bits], expected: inputs.map { saturated($0, UInt32.self) }) {
            float($1).converted(to: UInt32.self)
        },
        elementwiseCase("UInt32 to Float32", [integers], expected: integers.map { Float($0).bitPattern }) {
            $1[0].converted(to: Float.self).reinterpreted(as: UInt32.self)
        },
        elementwiseCase(
            "Float32 to BFloat16", [bits], expected: inputs.map { $0.isNaN ? 0x7FFF : UInt32(BFloat16($0).bits) },
            tolerance: { $0 & 0x7FFF > 0x7F80 && $1 & 0x7FFF > 0x7F80 }
        ) { float($1).converted(to: BFloat16.self).converted(to: UInt32.self) },
        elementwiseCase(
            "pack two BFloat16", [bits.dropLast().map { $0 }],
            expected: inputs.dropLast().map { UInt32(BFloat16($0).bits) | UInt32(BFloat16(-$0).bits) << 16 }
        ) { $0.packBFloat16(float($1), -float($1)) },
        elementwiseCase(
            "pack four FP8", [bits.dropLast().map { $0 }],
            expected: inputs.dropLast().map {
                [$0, -$0, $0 * 0.5, $0 * 3].enumerated().reduce(0) {
                    $0 | UInt32(Float8E4M3($1.element).bits) << (8 * $1.offset)
                }
            }
        ) { k, values in
            let x = float(values)
            return k.packFloat8([x, -x, x * 0.5, x * 3])
        },
        elementwiseCase(
            "unpack FP8", [codes], expected: codes.map { Float8E4M3(bits: UInt8($0)).float.bitPattern },
            tolerance: { Float(bitPattern: $0).isNaN && Float(bitPattern: $1).isNaN }
        ) { ($1[0] << 16).float8Quad[2].reinterpreted(as: UInt32.self) },
    ]
}
