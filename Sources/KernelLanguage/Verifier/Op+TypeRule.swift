/// The type rule of every operation, as an exhaustive switch.
extension Op {
    /// The first problem with the operation's types and constants, or nil.
    func problem(in kernel: Kernel) -> String? {
        let rule = TypeRule(kernel: kernel)
        switch self {
        case .move(let result, let a):
            return rule.expect(a, rule.type(result), "source")
        case .unary(let operation, let result, let a):
            let type = rule.type(result)
            return rule.expect(a, type, "operand")
                ?? rule.require(operation.accepts(type), "\(operation) is not defined for \(type)")
        case .binary(let operation, let result, let a, let b):
            let type = rule.type(result)
            switch operation {
            case .multiplyWide:
                return rule.require(type == .uint64, "the result must be uint64, not \(type)")
                    ?? rule.expect(a, .uint32, "first operand") ?? rule.expect(b, .uint32, "second operand")
            case .shiftLeft, .shiftRight:
                return rule.require(operation.accepts(type), "\(operation) is not defined for \(type)")
                    ?? rule.expect(a, type, "first operand") ?? rule.expect(b, .uint32, "shift amount")
            default:
                return rule.require(operation.accepts(type), "\(operation) is not defined for \(type)")
                    ?? rule.expect(a, type, "first operand") ?? rule.expect(b, type, "second operand")
            }
        case .multiplyAdd(let result, let a, let b, let c):
            let type = rule.type(result)
            return rule.require([.float32, .uint32, .int32].contains(type), "multiplyAdd is not defined for \(type)")
                ?? rule.expect([a, b, c], type, "operand")
        case .compare(_, let type, let result, let a, let b):
            return rule.expect(result, .bool, "result") ?? rule.expect([a, b], type, "operand")
                ?? rule.require(type.isInteger || type == .float32, "\(type) cannot be compared")
        case .select(let result, let condition, let a, let b):
            return rule.expect(condition, .bool, "condition") ?? rule.expect([a, b], rule.type(result), "choice")
        case .convert(let result, let from, let a):
            return rule.expect(a, from, "source")
                ?? rule.require(
                    Op.conversionExists(from: from, to: rule.type(result)),
                    "there is no conversion from \(from) to \(rule.type(result)); go through float32 or uint32")
        case .reinterpret(let result, let from, let a):
            return rule.expect(a, from, "source")
                ?? rule.require(
                    from.bytes == rule.type(result).bytes && from != .bool,
                    "\(from) and \(rule.type(result)) differ in size")
        case .pack(let operation, let result, let values):
            let (packed, single, count) = operation.shape
            return rule.expect(result, packed, "result") ?? rule.expect(values, single, "operand")
                ?? rule.require(values.count == count, "\(operation) takes \(count) operands, not \(values.count)")
        case .unpack(let operation, let results, let a):
            let (packed, single, count) = operation.inverse.shape
            return rule.expect(a, packed, "operand")
                ?? results.lazy.compactMap { rule.expect($0, single, "result") }.first
                ?? rule.require(results.count == count, "\(operation) gives \(count) results, not \(results.count)")
        case .special(let result, let register):
            return rule.expect(result, register.type, "result")
        case .parameter(let result, let number):
            guard kernel.parameters.indices.contains(number) else { return "there is no parameter \(number)" }
            switch kernel.parameters[number].kind {
            case .scalar(let type): return rule.expect(result, type, "result")
            case .pointer: return rule.expect(result, .uint64, "result")
            case .tensorMap: return "a tensor map has no value; use it in a tensor copy"
            }
        case .sharedAddress(let result, let offset):
            return rule.expect(result, .uint32, "result")
                ?? rule.require(
                    offset >= 0 && offset <= kernel.sharedBytes,
                    "byte \(offset) lies outside the \(kernel.sharedBytes) bytes of shared memory")
        case .shuffle(_, let result, let a, let lane):
            let type = rule.type(result)
            return rule.expect(a, type, "value") ?? rule.expect(lane, .uint32, "lane")
                ?? rule.require(type.bytes == 4, "a shuffle moves 4-byte values, not \(type)")
        case .transpose(let result, let a):
            return rule.expect(a, .uint32, "operand") ?? rule.expect(result, .uint32, "result")
        case .vote(let mode, let result, let a):
            return rule.expect(a, .bool, "operand") ?? rule.expect(result, mode == .ballot ? .uint32 : .bool, "result")
        case .elect(let result):
            return rule.expect(result, .bool, "result")
        case .load(let access, let results, let address):
            return rule.address(address, access.space)
                ?? results.lazy.compactMap { rule.expect($0, access.element, "result") }.first
                ?? rule.vector(access, results.count, address)
                ?? rule.require(
                    [.weak, .relaxed, .acquire].contains(access.order.strength),
                    "a load cannot have order \(access.order.strength)")
        case .store(let access, let values, let address):
            return rule.address(address, access.space) ?? rule.expect(values, access.element, "value")
                ?? rule.vector(access, values.count, address)
                ?? rule.require(
                    [.weak, .relaxed, .release].contains(access.order.strength),
                    "a store cannot have order \(access.order.strength)")
                ?? rule.require(access.cache != .readOnly, "a store cannot use the read-only path")
        case .atomic(let operation, let access, let result, let address, let value, let compare):
            return rule.address(address, access.space)
                ?? result.flatMap { rule.expect($0, access.element, "result") }
                ?? rule.expect(value, access.element, "operand")
                ?? compare.flatMap { rule.expect($0, access.element, "compared value") }
                ?? rule.require(
                    (compare != nil) == (operation == .compareAndSwap),
                    "compareAndSwap, and nothing else, takes a value to compare with")
                ?? rule.require(access.order != .weak, "an atomic operation is at least relaxed")
                ?? rule.require(
                    access.order.strength != .sequentiallyConsistent,
                    "an atomic operation is at most acquireRelease; sequentiallyConsistent is for fences")
                ?? rule.require(operation.accepts(access.element), "\(operation) is not defined for \(access.element)")
        case .discard(let address):
            return rule.address(address, .global)
                ?? rule.require(
                    address.offset % Self.discardedBytes == 0, "offset is not a multiple of \(Self.discardedBytes)")
        case .fence(let order):
            return rule.require(
                [.acquireRelease, .sequentiallyConsistent].contains(order.strength),
                "a fence has order acquireRelease or sequentiallyConsistent, not \(order.strength)")
        case .barrier(let action, let id, let threads):
            return rule.expect(id, .uint32, "barrier number") ?? rule.constant(id, in: 0...15, "barrier number")
                ?? rule.require(
                    threads.map { $0 > 0 && $0 % 32 == 0 && $0 <= kernel.threads } ?? (action == .sync),
                    "the number of threads must be a multiple of 32 up to \(kernel.threads)")
        case .mbarrierInit(let address, let arrivals):
            return rule.mbarrier(address) ?? rule.expect(arrivals, .uint32, "arrivals")
                ?? rule.constant(arrivals, in: 1...1_048_575, "arrivals")
        case .mbarrierInvalidate(let address):
            return rule.mbarrier(address)
        case .mbarrierArrive(let address, let bytes):
            return rule.mbarrier(address) ?? bytes.flatMap { rule.expect($0, .uint32, "bytes") }
        case .mbarrierTryWait(let result, let address, let parity):
            return rule.expect(result, .bool, "result") ?? rule.mbarrier(address)
                ?? rule.expect(parity, .uint32, "parity")
        case .bulkLoad(let shared, let global, let bytes, let mbarrier, _):
            return rule.bulk(shared, global, bytes) ?? rule.mbarrier(mbarrier)
        case .bulkStore(let global, let shared, let bytes):
            return rule.bulk(shared, global, bytes)
        case .bulkPrefetch(let global, let bytes):
            return rule.bulk(nil, global, bytes)
        case .tensorLoad(let shared, let map, let coordinates, let mbarrier, _):
            return rule.tensor(map, coordinates, shared) ?? rule.mbarrier(mbarrier)
        case .tensorStore(let map, let coordinates, let shared):
            return rule.tensor(map, coordinates, shared)
        case .tensorPrefetch(let map):
            return rule.tensorMap(map)
        case .bulkWait(let pending, _), .wgmmaWait(let pending):
            return rule.require((0...7).contains(pending), "\(pending) pending groups; 0 to 7 can be waited for")
        case .network(let operation):
            return operation.problem(rule)
        case .wgmma(let multiply):
            return rule.multiply(multiply)
        case .setRegisterCount(let count, _):
            return rule.require(
                (24...256).contains(count) && count % 8 == 0,
                "\(count) registers; a multiple of 8 from 24 to 256 is possible")
                ?? rule.require(
                    kernel.threads % 128 == 0, "whole warp groups give and take registers, 128 threads each")
        case .nanosleep(let time):
            return rule.expect(time, .uint32, "nanoseconds")
        case .if(let condition, _, _), .breakIf(let condition):
            return rule.expect(condition, .bool, "condition")
        case .clusterBarrier:
            return rule.require(kernel.clusterSize > 1, "the kernel has no cluster; give it a cluster size above 1")
        case .wgmmaFence, .wgmmaCommit:
            return rule.require(kernel.threads >= 128, "a warp group has 128 threads; the block has \(kernel.threads)")
        case .syncWarp, .proxyFence, .bulkCommit, .dependentLaunch, .loop, .exit:
            return nil
        }
    }

    private static func conversionExists(from: ScalarType, to: ScalarType) -> Bool {
        switch (from, to) {
        case (.uint32, .uint64), (.uint64, .uint32), (.int32, .uint64), (.uint32, .int32), (.int32, .uint32): true
        case (.uint32, .float32), (.int32, .float32), (.uint64, .float32): true
        case (.float32, .uint32), (.float32, .int32): true
        case (.float32, .bfloat16), (.bfloat16, .float32), (.bfloat16, .uint32), (.uint32, .bfloat16): true
        case (.float8E4M3, .uint32), (.uint32, .float8E4M3): true
        case (.bool, .uint32): true
        default: false
        }
    }
}

extension UnaryOperation {
    func accepts(_ type: ScalarType) -> Bool {
        switch self {
        case .negate, .absolute: type == .int32 || type == .float32
        case .not: type == .bool || type.isInteger
        case .populationCount, .leadingZeros: type == .uint32
        case .exponential2, .reciprocal, .squareRoot: type == .float32
        }
    }
}

extension BinaryOperation {
    func accepts(_ type: ScalarType) -> Bool {
        switch self {
        case .add, .subtract, .multiply, .divide, .minimum, .maximum: type.isInteger || type == .float32
        case .remainder: type.isInteger
        case .multiplyWide: type == .uint64
        case .and, .or, .exclusiveOr: type.isInteger || type == .bool
        case .shiftLeft, .shiftRight: type.isInteger
        }
    }
}

extension AtomicOperation {
    func accepts(_ type: ScalarType) -> Bool {
        switch self {
        case .add: [.uint32, .int32, .uint64, .float32].contains(type)
        case .minimum, .maximum: type.isInteger
        case .exchange, .compareAndSwap, .or, .and: type.isInteger
        }
    }
}

extension PackOperation {
    /// Packed type, single type and how many singles there are.
    var shape: (packed: ScalarType, single: ScalarType, count: Int) {
        switch self {
        case .bfloat16Pair: (.uint32, .float32, 2)
        case .float8Quad: (.uint32, .float32, 4)
        case .uint64: (.uint64, .uint32, 2)
        }
    }
}

extension UnpackOperation {
    /// The pack that this undoes.
    var inverse: PackOperation {
        switch self {
        case .bfloat16Pair: .bfloat16Pair
        case .float8Quad: .float8Quad
        case .uint64: .uint64
        }
    }
}
