import KernelLanguage
import Simulator

/// Runs one operation on lists of operands and gives its results, all as bits.
enum OperationHarness {
    /// - Parameters:
    ///   - operands: One list of bits per operand, with its type.
    ///   - result: Type of the result; Bool comes back as 0 or 1.
    ///   - op: The operation, from result and operand registers.
    static func evaluate(
        _ operands: [(type: ScalarType, bits: [UInt64])], result: ScalarType, _ op: (Register, [Operand]) -> Op
    ) throws -> [UInt64] {
        let harness = Harness()
        let count = operands[0].bits.count
        let grid = (count + 31) / 32
        var types: [ScalarType] = []
        var body: [Instruction] = []
        func new(_ type: ScalarType) -> Register {
            types.append(type)
            return Register(types.count - 1)
        }
        func emit(_ op: Op) { body.append(Instruction(op, at: SourceLocation(file: "test", line: 1))) }
        func address(_ parameter: Int, _ index: Register, _ bytes: Int) -> Register {
            let pointer = new(.uint64)
            emit(.parameter(pointer, parameter: parameter))
            let offset = new(.uint64)
            emit(.binary(.multiplyWide, offset, .register(index), .constant(UInt64(bytes))))
            let sum = new(.uint64)
            emit(.binary(.add, sum, .register(pointer), .register(offset)))
            return sum
        }
        let thread = new(.uint32)
        emit(.special(thread, .threadIndex))
        let block = new(.uint32)
        emit(.special(block, .blockIndex))
        let index = new(.uint32)
        emit(.multiplyAdd(index, .register(block), .constant(32), .register(thread)))
        var values: [Operand] = []
        var parameters: [Kernel.Parameter] = []
        var arguments: [KernelArgument] = []
        for (number, (type, bits)) in operands.enumerated() {
            let inMemory: ScalarType = type == .bool ? .uint32 : type
            let value = new(inMemory)
            let place = Address(.register(address(number, index, 8)))
            emit(.load(MemoryAccess(inMemory, .global), [value], place))
            if type == .bool {
                let bool = new(.bool)
                emit(.compare(.notEqual, .uint32, bool, .register(value), .constant(0)))
                values.append(.register(bool))
            } else {
                values.append(.register(value))
            }
            parameters.append(.init(name: "p\(number)", kind: .pointer(inMemory)))
            let padded = bits + Array(repeating: bits[0], count: grid * 32 - count)
            arguments.append(.address(try harness.buffer(padded)))
        }
        var output = new(result)
        emit(op(output, values))
        if result == .bool {
            let word = new(.uint32)
            emit(.convert(word, from: .bool, .register(output)))
            output = word
        }
        let outType = types[output.index]
        let place = Address(.register(address(operands.count, index, 8)))
        emit(.store(MemoryAccess(outType, .global), [.register(output)], place))
        parameters.append(.init(name: "out", kind: .pointer(outType)))
        let out = try harness.buffer([UInt64](repeating: 0, count: grid * 32))
        arguments.append(.address(out))
        let kernel = Kernel(
            name: "operation", parameters: parameters, registerTypes: types, body: Block(body), threads: 32,
            sharedBytes: 0, clusterSize: 1)
        try harness.run(kernel, grid: grid, arguments)
        return Array(try harness.read(UInt64.self, count: count, at: out))
    }

    static func binary(
        _ operation: BinaryOperation, _ type: ScalarType, _ pairs: [(UInt64, UInt64)], right: ScalarType? = nil,
        result: ScalarType? = nil
    ) throws -> [UInt64] {
        try evaluate(
            [(type, pairs.map(\.0)), (right ?? type, pairs.map(\.1))], result: result ?? type
        ) { .binary(operation, $0, $1[0], $1[1]) }
    }

    static func unary(_ operation: UnaryOperation, _ type: ScalarType, _ values: [UInt64]) throws -> [UInt64] {
        try evaluate([(type, values)], result: type) { .unary(operation, $0, $1[0]) }
    }
}
