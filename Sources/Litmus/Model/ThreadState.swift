import KernelLanguage

/// How far a thread of a candidate execution has come: as far as it can without values that it has not read yet.
struct ThreadState {
    let index: Int
    /// The next instruction.
    private(set) var next = 0
    private(set) var registers: [Int: Expression] = [:]
    /// How often each instruction has run.
    private var visits: [Int]
    private var barriers: [Int: Int] = [:]
    /// An instruction has run more often than `rounds` allows.
    private(set) var isEndless = false

    init(_ index: Int, _ thread: LitmusThread) {
        self.index = index
        visits = [Int](repeating: 0, count: thread.instructions.count)
        registers = thread.registers.mapValues { .known($0) }
    }

    func isDone(_ thread: LitmusThread) -> Bool { next >= thread.instructions.count }

    func register(_ number: Int) -> Expression { registers[number] ?? .known(0) }

    private func expression(_ value: LitmusValue) -> Expression {
        switch value {
        case .constant(let value): .known(value)
        case .register(let number): register(number)
        }
    }

    /// Runs on to the end, or to the first branch or barrier that waits for a read.
    mutating func run(_ test: LitmusTest, rounds: Int, _ events: inout [Event], _ read: (Int) -> Int?) {
        let thread = test.threads[index]
        while next < thread.instructions.count {
            guard visits[next] < rounds else {
                isEndless = true
                return
            }
            guard step(test, thread.instructions[next].instruction, &events, read) else { return }
        }
    }

    /// False if the instruction has to wait.
    private mutating func step(
        _ test: LitmusTest, _ instruction: LitmusInstruction, _ events: inout [Event], _ read: (Int) -> Int?
    ) -> Bool {
        var target = next + 1
        switch instruction {
        case .move(let register, let value): registers[register] = expression(value)
        case .arithmetic(let operation, let register, let a, let b):
            registers[register] = .arithmetic(operation, expression(a), expression(b))
        case .load(let access, let register):
            registers[register] = .read(events.count)
            events.append(event(.read, access, test))
        case .store(let access, let value):
            events.append(event(.write(expression(value)), access, test))
        case .atomic(let change, let access, let register): atomic(change, access, register, test, &events)
        case .fence(let order):
            var event = Event(kind: .fence, thread: index)
            event.order = order
            events.append(event)
        case .proxyFence(let proxy): events.append(Event(kind: .proxyFence(proxy), thread: index))
        case .aliasFence: events.append(Event(kind: .aliasFence, thread: index))
        case .barrier(let barrier):
            let name = barrier.name.map { expression($0).value(read) }
            let quorum = barrier.quorum.map { expression($0).value(read) }
            if name == .some(nil) || quorum == .some(nil) { return false }
            let occurrence = barriers[barrier.instance, default: 0]
            barriers[barrier.instance] = occurrence + 1
            let met = Event.MetBarrier(
                instance: barrier.instance, name: name ?? nil, quorum: quorum ?? nil,
                onlyArrives: barrier.onlyArrives, occurrence: occurrence)
            events.append(Event(kind: .barrier(met), thread: index))
        case .branch(let comparison, let a, let b, let other):
            guard let a = expression(a).value(read), let b = expression(b).value(read) else { return false }
            if comparison.holds(a, b) { target = other }
        case .jump(let other): target = other
        }
        visits[next] += 1
        next = target
        return true
    }

    private func event(_ kind: Event.Kind, _ access: LitmusAccess, _ test: LitmusTest) -> Event {
        let location = test.locations[access.location]
        var event = Event(kind: kind, thread: index)
        event.memory = location.memory
        event.address = location.address
        event.proxy = access.proxy
        event.order = access.order
        return event
    }

    private mutating func atomic(
        _ change: LitmusChange, _ access: LitmusAccess, _ register: Int?, _ test: LitmusTest, _ events: inout [Event]
    ) {
        let number = events.count
        let old = Expression.read(number)
        var expected: Expression?
        let new: Expression
        switch change {
        case .arithmetic(let operation, let value): new = .arithmetic(operation, old, expression(value))
        case .minimum(let value): new = .minimum(old, expression(value))
        case .maximum(let value): new = .maximum(old, expression(value))
        case .exchange(let value): new = expression(value)
        case .compareAndSwap(let compared, let value):
            expected = expression(compared)
            new = expression(value)
        }
        var read = event(.read, access, test)
        var write = event(.write(new), access, test)
        (read.partner, write.partner, write.expected) = (number + 1, number, expected)
        // Acquire goes to the read and release to the write; the other half is relaxed.
        let scope = access.order.scope ?? .system
        if access.order.strength == .release { read.order = .relaxed(scope) }
        if access.order.strength == .acquire { write.order = .relaxed(scope) }
        events += [read, write]
        if let register { registers[register] = old }
    }
}
