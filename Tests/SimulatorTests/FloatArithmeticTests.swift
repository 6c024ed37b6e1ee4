import KernelLanguage
import Simulator
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

private let edges: [Float] = [
    0, -0.0, 1, -1, 0.5, 3, 0x1p-140, -0x1p-149, .leastNormalMagnitude, .greatestFiniteMagnitude,
    -.greatestFiniteMagnitude,
    .infinity, -.infinity, .nan, 16_777_215, 0x1.000002p0,
]

@Suite struct FloatArithmeticTests {
    /// Equal bits; every NaN counts as PTX's.
    private func same(_ bits: UInt64, _ expected: Float) -> Bool {
        bits == UInt64(expected.isNaN ? 0x7FFF_FFFF : expected.bitPattern)
    }

    private func random(_ count: Int, seed: UInt64) -> [Float] {
        var random = TestRandom(seed)
        return (0..<count).map { _ in
            // Exponents near each other, so that sums round and cancel.
            let exponent = UInt32(120 + random.next() % 16) << 23
            return Float(bitPattern: UInt32(truncatingIfNeeded: random.next()) & 0x807F_FFFF | exponent)
        }
    }

    private func check(_ operation: BinaryOperation, _ expected: (Float, Float) -> Float) throws {
        let pairs =
            edges.flatMap { a in edges.map { (a, $0) } }
            + zip(random(512, seed: 1), random(512, seed: 2)).map { ($0, $1) }
        let results = try OperationHarness.binary(
            operation, .float32, pairs.map { (UInt64($0.bitPattern), UInt64($1.bitPattern)) })
        for (pair, result) in zip(pairs, results) {
            #expect(same(result, expected(pair.0, pair.1)), "\(operation) of \(pair)")
        }
    }

    @Test func fourOperations() throws {
        try check(.add) { $0 + $1 }
        try check(.subtract) { $0 - $1 }
        try check(.multiply) { $0 * $1 }
        try check(.divide) { $0 / $1 }
    }

    @Test func minimumAndMaximumPreferNumbersAndOrderZeros() throws {
        try check(.minimum) { a, b in
            if a.isNaN || b.isNaN { return a.isNaN ? b : a }
            return a == b ? (a.sign == .minus ? a : b) : Swift.min(a, b)
        }
        try check(.maximum) { a, b in
            if a.isNaN || b.isNaN { return a.isNaN ? b : a }
            return a == b ? (a.sign == .plus ? a : b) : Swift.max(a, b)
        }
    }

    @Test func multiplyAddRoundsOnce() throws {
        var triples: [(Float, Float, Float)] = []
        for a in edges { for b in edges { for c in edges { triples.append((a, b, c)) } } }
        let (a, b, c) = (random(20_000, seed: 3), random(20_000, seed: 4), random(20_000, seed: 5))
        for index in a.indices { triples.append((a[index], b[index], c[index])) }
        // Sums that end just beside the middle between two Floats, and tiny ones.
        for power in 20...60 {
            let tiny = Float(sign: .plus, exponent: -power, significand: 1)
            triples.append((1 + 0x1p-12, 1 + 0x1p-12, tiny))
            triples.append((1 + 0x1p-23, 0x1p-24, 1))
            triples.append((-tiny, 0x1p-20, 1 + 0x1p-23))
            triples.append((0x1p-100, 0x1.8p-49, tiny * 0x1p-100))
            triples.append((0x1.000002p0, 0x1p-24 + tiny * 0x1p-10, 1))
        }
        let results = try OperationHarness.evaluate(
            [
                (.float32, triples.map { UInt64($0.0.bitPattern) }),
                (.float32, triples.map { UInt64($0.1.bitPattern) }),
                (.float32, triples.map { UInt64($0.2.bitPattern) }),
            ], result: .float32
        ) { .multiplyAdd($0, $1[0], $1[1], $1[2]) }
        var wrong = 0
        for (triple, result) in zip(triples, results) where !same(result, triple.2.addingProduct(triple.0, triple.1)) {
            wrong += 1
            if wrong < 5 { Issue.record("\(triple) gives \(Float(bitPattern: UInt32(result)))") }
        }
        #expect(wrong == 0)
    }

    @Test func functions() throws {
        func flushed(_ value: Float) -> Float { value.isSubnormal ? (value.sign == .minus ? -0.0 : 0) : value }
        let values = edges + random(256, seed: 6)
        let bits = values.map { UInt64($0.bitPattern) }
        let roots = try OperationHarness.unary(.squareRoot, .float32, bits)
        let inverses = try OperationHarness.unary(.reciprocal, .float32, bits)
        let powers = try OperationHarness.unary(.exponential2, .float32, bits)
        let negatives = try OperationHarness.unary(.negate, .float32, bits)
        for (index, value) in values.enumerated() {
            #expect(same(roots[index], value.squareRoot()), "root of \(value)")
            #expect(same(inverses[index], flushed(1 / flushed(value))), "reciprocal of \(value)")
            #expect(same(powers[index], flushed(Float(exp2(Double(flushed(value)))))), "power of \(value)")
            #expect(same(negatives[index], -value))
        }
    }

    @Test func conversions() throws {
        func convert(_ from: ScalarType, _ to: ScalarType, _ bits: [UInt64]) throws -> [UInt64] {
            try OperationHarness.evaluate([(from, bits)], result: to) { .convert($0, from: from, $1[0]) }
        }
        let floats: [Float] =
            edges + [1.9, -1.9, 2_147_483_648, 4_294_967_296, -2_147_483_648, -3e9, 2.5, 4_294_967_040]
        let bits = floats.map { UInt64($0.bitPattern) }
        let signed = try convert(.float32, .int32, bits)
        let unsigned = try convert(.float32, .uint32, bits)
        let narrow = try convert(.float32, .bfloat16, bits)
        for (index, value) in floats.enumerated() {
            let whole = value.isNaN ? 0 : Swift.min(Swift.max(Double(value.rounded(.towardZero)), -0x1p31), 0x1p31 - 1)
            #expect(signed[index] == UInt64(UInt32(bitPattern: Int32(whole))), "\(value)")
            let positive = value.isNaN ? 0 : Swift.min(Swift.max(Double(value.rounded(.towardZero)), 0), 0x1p32 - 1)
            #expect(unsigned[index] == UInt64(UInt32(positive)), "\(value)")
            #expect(narrow[index] == UInt64(value.isNaN ? 0x7FFF : BFloat16(value).bits), "\(value)")
        }
        let words: [UInt64] = [0, 1, 16_777_217, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF]
        #expect(try convert(.uint32, .float32, words) == words.map { UInt64(Float($0).bitPattern) })
        #expect(
            try convert(.int32, .float32, words)
                == words.map { UInt64(Float(Int32(bitPattern: UInt32($0))).bitPattern) })
        #expect(
            try convert(.int32, .uint64, words)
                == words.map { UInt64(bitPattern: Int64(Int32(bitPattern: UInt32($0)))) })
        #expect(try convert(.uint64, .uint32, [1 << 40 | 7]) == [7])
        #expect(try convert(.uint64, .float32, [.max]) == [UInt64(Float(UInt64.max).bitPattern)])
        #expect(try convert(.bfloat16, .float32, [0x3FC0]) == [UInt64(Float(1.5).bitPattern)])
        #expect(try convert(.bool, .uint32, [0, 1]) == [0, 1])
    }

    @Test func packing() throws {
        let values = edges + random(240, seed: 7)
        let bits = values.map { UInt64($0.bitPattern) }
        let operand: (ScalarType, [UInt64]) = (.float32, bits)
        let reversed: (ScalarType, [UInt64]) = (.float32, bits.reversed())
        let pairs = try OperationHarness.evaluate([operand, reversed], result: .uint32) {
            .pack(.bfloat16Pair, $0, $1)
        }
        let quads = try OperationHarness.evaluate([operand, reversed, operand, reversed], result: .uint32) {
            .pack(.float8Quad, $0, $1)
        }
        for (index, value) in values.enumerated() {
            let other = values[values.count - 1 - index]
            func half(_ value: Float) -> UInt64 { UInt64(value.isNaN ? 0x7FFF : BFloat16(value).bits) }
            #expect(pairs[index] == half(value) | half(other) << 16)
            let (low, high) = (UInt64(Float8E4M3(value).bits), UInt64(Float8E4M3(other).bits))
            #expect(quads[index] == low | high << 8 | low << 16 | high << 24)
        }
    }
}
