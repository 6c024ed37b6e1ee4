import KernelLanguage

/// Emits one thread of a test. Numbers are 32 bits wide.
struct ThreadEmitter {
    private let k: KernelBuilder
    private let test: LitmusTest
    private let thread: LitmusThread
    private let number: Int
    private let memory: [Pointer<UInt32>]
    private let barriers: BarrierPlan
    /// Straight-line code binds names to values, so that loads need not come before their values are used.
    private var values: [Int: Value<UInt32>] = [:]
    /// Results of the loads and atomic operations of straight-line code.
    private(set) var found: [Value<UInt32>] = []
    /// Names of barriers, where some are computed, by instruction.
    private(set) var names: [(index: Int, value: Value<UInt32>)] = []
    /// Code with jumps has variables.
    private var variables: [Int: Variable<UInt32>]?

    init(
        _ k: KernelBuilder, _ test: LitmusTest, _ thread: Int, _ memory: [Pointer<UInt32>], barriers: BarrierPlan
    ) {
        self.k = k
        self.test = test
        self.thread = test.threads[thread]
        number = thread
        self.memory = memory
        self.barriers = barriers
    }

    mutating func emit() throws(LitmusObstacle) {
        let targets = Set(thread.instructions.compactMap(\.instruction.target))
        if targets.isEmpty {
            for index in thread.instructions.indices { try emit(index) }
        } else {
            try emitBlocks(targets)
        }
    }

    func register(_ number: Int) -> Value<UInt32> {
        if let variables { return variables[number]?.value ?? initial(number) }
        return values[number] ?? initial(number)
    }

    private func initial(_ number: Int) -> Value<UInt32> {
        k.constant(UInt32(truncatingIfNeeded: thread.registers[number] ?? 0))
    }

    private mutating func set(_ number: Int, _ value: Value<UInt32>) {
        if variables != nil {
            variables?[number]?.value = value
        } else {
            values[number] = value
        }
    }

    private func value(_ value: LitmusValue) throws(LitmusObstacle) -> Value<UInt32> {
        switch value {
        case .register(let number):
            if let initial = thread.registers[number] { _ = try Self.narrow(initial) }
            return register(number)
        case .constant(let value): return k.constant(try Self.narrow(value))
        }
    }

    static func narrow(_ value: Int) throws(LitmusObstacle) -> UInt32 {
        guard let narrow = Int32(exactly: value) else {
            throw LitmusObstacle(description: "\(value), which needs more than 32 bits")
        }
        return UInt32(bitPattern: narrow)
    }

    // MARK: Jumps

    /// The language has no jumps: each iteration of a loop runs one basic block, and a variable says which is next.
    private mutating func emitBlocks(_ targets: Set<Int>) throws(LitmusObstacle) {
        let count = thread.instructions.count
        var starts = targets.union([0])
        for (index, step) in thread.instructions.enumerated() where step.instruction.target != nil {
            starts.insert(index + 1)
        }
        let blocks = starts.filter { $0 < count }.sorted()
        var used = Set(thread.instructions.compactMap(\.instruction.result)).union(thread.registers.keys)
        for term in test.terms { if case .register(_, let register) = term { used.insert(register) } }
        variables = Dictionary(uniqueKeysWithValues: used.sorted().map { ($0, k.variable(initial($0))) })
        let next = k.variable(UInt32(0))
        var obstacle: LitmusObstacle?
        var emitter = self
        k.loop {
            for (position, start) in blocks.enumerated() {
                let end = position + 1 < blocks.count ? blocks[position + 1] : count
                k.if(next.value == start) {
                    next.value = k.constant(UInt32(end))
                    for index in start..<end {
                        do throws(LitmusObstacle) {
                            try emitter.emit(index, next)
                        } catch {
                            obstacle = obstacle ?? error
                        }
                    }
                }
            }
            k.breakIf(next.value == count)
        }
        if let obstacle { throw obstacle }
    }

    // MARK: Instructions

    private mutating func emit(_ index: Int, _ next: Variable<UInt32>? = nil) throws(LitmusObstacle) {
        switch thread.instructions[index].instruction {
        case .move(let register, let value): set(register, try self.value(value))
        case .arithmetic(let operation, let register, let a, let b):
            set(register, try arithmetic(operation, try value(a), try value(b)))
        case .load(let access, let register):
            let value = k.load(memory[access.location], order: try order(access))
            set(register, value)
            found.append(value)
        case .store(let access, let value):
            k.store(try self.value(value), to: memory[access.location], order: try order(access))
        case .atomic(let change, let access, let register):
            let old = try atomic(change, access)
            if let register { set(register, old) }
            found.append(old)
        case .fence(.sequentiallyConsistent(let scope)): k.sequentialFence(scope: scope)
        case .fence(let order): k.fence(scope: order.scope ?? .system)
        // Addresses of one memory are one memory to the simulator.
        case .aliasFence: break
        case .proxyFence(let proxy):
            guard proxy == .generic else { throw LitmusObstacle(description: "the \(proxy.rawValue) proxy") }
        case .barrier(let barrier):
            if barriers.isAssumed(thread: number, index: index), let name = barrier.name {
                names.append((index, try self.value(name)))
            }
            guard let (number, threads) = barriers.meeting(thread: number, index: index) else { return }
            if barrier.onlyArrives {
                k.barrierArrive(NamedBarrier(number), threads: threads)
            } else {
                k.barrier(NamedBarrier(number), threads: threads)
            }
        case .branch(let comparison, let a, let b, let target):
            let condition = compare(comparison, try value(a).signed, try value(b).signed)
            k.if(condition) { next?.value = k.constant(UInt32(target)) }
        case .jump(let target): next?.value = k.constant(UInt32(target))
        }
    }

    private func order(_ access: LitmusAccess) throws(LitmusObstacle) -> MemoryOrder {
        guard access.proxy == .generic else { throw LitmusObstacle(description: "the \(access.proxy.rawValue) proxy") }
        return access.order
    }

    private func arithmetic(
        _ operation: LitmusArithmetic, _ a: Value<UInt32>, _ b: Value<UInt32>
    ) throws(LitmusObstacle) -> Value<UInt32> {
        switch operation {
        case .add: a + b
        case .sub: a - b
        case .mul: a * b
        case .and: a & b
        case .or: a | b
        case .xor: a ^ b
        case .div: throw LitmusObstacle(description: "a division")
        }
    }

    private func compare(_ comparison: Comparison, _ a: Value<Int32>, _ b: Value<Int32>) -> Condition {
        switch comparison {
        case .equal: a == b
        case .notEqual: a != b
        case .less: a < b
        case .lessOrEqual: a <= b
        case .greater: a > b
        case .greaterOrEqual: a >= b
        }
    }

    private func atomic(_ change: LitmusChange, _ access: LitmusAccess) throws(LitmusObstacle) -> Value<UInt32> {
        let pointer = memory[access.location]
        let order = try order(access)
        switch change {
        case .arithmetic(.add, let value): return k.atomic(.add, pointer, try self.value(value), order: order)
        case .arithmetic(.sub, let value):
            return k.atomic(.add, pointer, k.constant(UInt32(0)) - (try self.value(value)), order: order)
        case .arithmetic(.and, let value): return k.atomic(.and, pointer, try self.value(value), order: order)
        case .arithmetic(.or, let value): return k.atomic(.or, pointer, try self.value(value), order: order)
        case .arithmetic(let operation, _):
            throw LitmusObstacle(description: "an atomic \(operation.rawValue)")
        case .minimum: throw LitmusObstacle(description: "an atomic minimum of signed numbers")
        case .maximum: throw LitmusObstacle(description: "an atomic maximum of signed numbers")
        case .exchange(let value): return k.atomic(.exchange, pointer, try self.value(value), order: order)
        case .compareAndSwap(let expected, let value):
            return k.atomicCompareAndSwap(
                pointer, expected: try self.value(expected), value: try self.value(value), order: order)
        }
    }
}
