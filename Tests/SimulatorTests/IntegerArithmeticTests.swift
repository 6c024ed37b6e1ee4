import KernelLanguage
import Simulator
import Testing

private let edges32: [UInt32] = [
    0, 1, 2, 3, 7, 31, 32, 33, 63, 64, 0x7FFF_FFFF, 0x8000_0000, 0x8000_0001, 0xFFFF_FFFE, 0xFFFF_FFFF, 0x1234_5678,
]
private let pairs32 = edges32.flatMap { a in edges32.map { (a, $0) } }
private let edges64: [UInt64] = [
    0, 1, 5, 63, 64, 65, 0xFFFF_FFFF, 1 << 32, .max, .max - 1, 1 << 63, 0x0123_4567_89AB_CDEF,
]
private let pairs64 = edges64.flatMap { a in edges64.map { (a, $0) } }

@Suite struct IntegerArithmeticTests {
    private func check32(
        _ operation: BinaryOperation, _ type: ScalarType, _ expected: (UInt32, UInt32) -> UInt32
    ) throws {
        let isShift = operation == .shiftLeft || operation == .shiftRight
        let results = try OperationHarness.binary(
            operation, type, pairs32.map { (UInt64($0), UInt64($1)) }, right: isShift ? .uint32 : nil)
        for (pair, result) in zip(pairs32, results) {
            #expect(result == UInt64(expected(pair.0, pair.1)), "\(operation) \(type) of \(pair)")
        }
    }

    private func checkSigned(_ operation: BinaryOperation, _ expected: (Int32, Int32) -> Int32) throws {
        try check32(operation, .int32) {
            UInt32(bitPattern: expected(Int32(bitPattern: $0), Int32(bitPattern: $1)))
        }
    }

    private func check64(_ operation: BinaryOperation, _ expected: (UInt64, UInt64) -> UInt64) throws {
        let isShift = operation == .shiftLeft || operation == .shiftRight
        let pairs = isShift ? pairs64.map { ($0, $1 & 0xFFFF_FFFF) } : pairs64
        let results = try OperationHarness.binary(operation, .uint64, pairs, right: isShift ? .uint32 : nil)
        for (pair, result) in zip(pairs, results) {
            #expect(result == expected(pair.0, pair.1), "\(operation) of \(pair)")
        }
    }

    @Test func uint32() throws {
        try check32(.add, .uint32) { $0 &+ $1 }
        try check32(.subtract, .uint32) { $0 &- $1 }
        try check32(.multiply, .uint32) { $0 &* $1 }
        try check32(.divide, .uint32) { $1 == 0 ? .max : $0 / $1 }
        try check32(.remainder, .uint32) { $1 == 0 ? $0 : $0 % $1 }
        try check32(.minimum, .uint32) { min($0, $1) }
        try check32(.maximum, .uint32) { max($0, $1) }
        try check32(.and, .uint32) { $0 & $1 }
        try check32(.or, .uint32) { $0 | $1 }
        try check32(.exclusiveOr, .uint32) { $0 ^ $1 }
        try check32(.shiftLeft, .uint32) { $0 << $1 }
        try check32(.shiftRight, .uint32) { $0 >> $1 }
    }

    @Test func int32() throws {
        try checkSigned(.add) { $0 &+ $1 }
        try checkSigned(.multiply) { $0 &* $1 }
        try checkSigned(.divide) { $1 == 0 ? -1 : $0.dividedReportingOverflow(by: $1).partialValue }
        try checkSigned(.remainder) { $1 == 0 ? $0 : $0.remainderReportingOverflow(dividingBy: $1).partialValue }
        try checkSigned(.minimum) { min($0, $1) }
        try checkSigned(.maximum) { max($0, $1) }
        try check32(.shiftRight, .int32) { UInt32(bitPattern: Int32(bitPattern: $0) >> min($1, 31)) }
    }

    @Test func uint64() throws {
        try check64(.add) { $0 &+ $1 }
        try check64(.subtract) { $0 &- $1 }
        try check64(.multiply) { $0 &* $1 }
        try check64(.divide) { $1 == 0 ? .max : $0 / $1 }
        try check64(.remainder) { $1 == 0 ? $0 : $0 % $1 }
        try check64(.minimum) { min($0, $1) }
        try check64(.maximum) { max($0, $1) }
        try check64(.shiftLeft) { $0 << $1 }
        try check64(.shiftRight) { $0 >> $1 }
    }

    @Test func wideProductsAndBitCounts() throws {
        let products = try OperationHarness.binary(
            .multiplyWide, .uint32, pairs32.map { (UInt64($0), UInt64($1)) }, result: .uint64)
        for (pair, result) in zip(pairs32, products) { #expect(result == UInt64(pair.0) * UInt64(pair.1)) }
        let values = edges32.map(UInt64.init)
        let counts = try OperationHarness.unary(.populationCount, .uint32, values)
        let zeros = try OperationHarness.unary(.leadingZeros, .uint32, values)
        let complements = try OperationHarness.unary(.not, .uint32, values)
        let negatives = try OperationHarness.unary(.negate, .int32, values)
        let magnitudes = try OperationHarness.unary(.absolute, .int32, values)
        for (index, value) in edges32.enumerated() {
            #expect(counts[index] == UInt64(value.nonzeroBitCount))
            #expect(zeros[index] == UInt64(value.leadingZeroBitCount))
            #expect(complements[index] == UInt64(~value))
            #expect(negatives[index] == UInt64(0 &- value))
            #expect(magnitudes[index] == UInt64(Int32(bitPattern: value).magnitude))
        }
    }

    @Test(arguments: Comparison.allCases) func comparisons(_ comparison: Comparison) throws {
        func holds<T: Comparable>(_ a: T, _ b: T) -> Bool {
            switch comparison {
            case .equal: a == b
            case .notEqual: a != b
            case .less: a < b
            case .lessOrEqual: a <= b
            case .greater: a > b
            case .greaterOrEqual: a >= b
            }
        }
        func results(_ type: ScalarType, _ pairs: [(UInt64, UInt64)]) throws -> [Bool] {
            try OperationHarness.evaluate([(type, pairs.map(\.0)), (type, pairs.map(\.1))], result: .bool) {
                .compare(comparison, type, $0, $1[0], $1[1])
            }.map { $0 == 1 }
        }
        let words = pairs32.map { (UInt64($0), UInt64($1)) }
        #expect(try results(.uint32, words) == pairs32.map { holds($0, $1) })
        #expect(try results(.int32, words) == pairs32.map { holds(Int32(bitPattern: $0), Int32(bitPattern: $1)) })
        #expect(try results(.uint64, pairs64) == pairs64.map { holds($0, $1) })
        let floats: [Float] = [0, -0.0, 1, -1, .infinity, -.infinity, .nan, 0x1p-140]
        let floatPairs = floats.flatMap { a in floats.map { (a, $0) } }
        #expect(
            try results(.float32, floatPairs.map { (UInt64($0.bitPattern), UInt64($1.bitPattern)) })
                == floatPairs.map { holds($0, $1) })
    }
}
