import KernelLanguage

/// All ends (final states) that PTX's memory model allows a test.
package struct Enumeration: Sendable {
    /// Values of `terms`, one of each end.
    package private(set) var ends: Set<[Int]> = []
    /// Registers and locations that filter and question look at, in the order of the values.
    package let terms: [LitmusTerm]
    /// Some allowed execution has a data race.
    package private(set) var hasRace = false
    /// Executions that ran to their end, allowed or not.
    package private(set) var candidates = 0
    /// Whether all executions were enumerated.
    package private(set) var isComplete = true
    /// Some execution took more iterations of a loop than are followed, and was left out.
    package private(set) var hasUnfinished = false

    private let test: LitmusTest
    private let rounds: Int
    private let limit: Int
    private let deadline: ContinuousClock.Instant

    /// Enumerates the executions of `test`.
    ///
    /// - Parameters:
    ///   - rounds: How often each instruction may run.
    ///   - limit: Candidates after which it gives up.
    ///   - seconds: Seconds after which it gives up.
    package init(_ test: LitmusTest, rounds: Int = 3, limit: Int = 2_000_000, seconds: Double = 60) {
        self.test = test
        self.rounds = rounds
        self.limit = limit
        deadline = ContinuousClock.now + .seconds(seconds)
        terms = test.terms
        var memories: [Int: Int] = [:]
        var events: [Event] = []
        var values: [Int?] = []
        for location in test.locations where memories[location.memory] == nil {
            memories[location.memory] = events.count
            var event = Event(kind: .write(.known(location.initial)), thread: -1)
            (event.memory, event.address) = (location.memory, location.address)
            events.append(event)
            values.append(location.initial)
        }
        let threads = test.threads.indices.map { ThreadState($0, test.threads[$0]) }
        search(SearchState(events: events, values: values, threads: threads))
    }

    /// Whether an end that the question asks about can be reached.
    package var isReachable: Bool {
        ends.contains { end in test.question.asksAbout(holds(test.question.condition, end)) }
    }

    /// Whether a condition holds at an end.
    package func holds(_ condition: LitmusCondition, _ end: [Int]) -> Bool {
        condition.holds { term in
            if case .constant(let value) = term { return value }
            return terms.firstIndex(of: term).map { end[$0] } ?? 0
        }
    }

    // MARK: Search

    /// How far a search has come.
    private struct SearchState {
        var events: [Event]
        /// Of reads and writes, as far as they are known.
        var values: [Int?]
        var source: [Int: Int] = [:]
        /// Writes that a read must not read from any more: it waits for others.
        var passed: [Int: UInt64] = [:]
        /// Compare-and-swaps that wrote, and that did not.
        var happened: [Int: Bool] = [:]
        var threads: [ThreadState]
    }

    /// Each call lets one read choose among the writes whose values are known, or wait for later ones: what a value
    /// depends on comes before it, and nothing comes out of thin air.
    private mutating func search(_ state: SearchState) {
        guard isComplete, candidates < limit, ContinuousClock.now < deadline else {
            isComplete = false
            return
        }
        var state = state
        advance(&state)
        if state.threads.contains(where: \.isEndless) {
            hasUnfinished = true
            return
        }
        guard state.events.count <= Candidate.eventLimit else {
            isComplete = false
            return
        }
        let waiting = state.events.indices.filter { state.events[$0].isRead && state.source[$0] == nil }
        if waiting.isEmpty { return finish(state) }
        for read in waiting {
            let sources = sources(of: read, state)
            guard sources != 0 else { continue }
            var left = sources
            while left != 0 {
                let write = left.trailingZeroBitCount
                left &= left - 1
                var next = state
                next.source[read] = write
                next.values[read] = next.values[write]
                search(next)
            }
            if waiting.count > 1 || state.threads.contains(where: { !$0.isDone(test.threads[$0.index]) }) {
                state.passed[read, default: 0] |= sources
                search(state)
            }
            return
        }
    }

    private func advance(_ state: inout SearchState) {
        var before = -1
        while before != state.events.count {
            before = state.events.count
            for index in state.threads.indices {
                let values = state.values
                state.threads[index].run(test, rounds: rounds, &state.events) {
                    $0 < values.count ? values[$0] : nil
                }
                while state.values.count < state.events.count { state.values.append(nil) }
            }
            for (number, event) in state.events.enumerated() {
                guard case .write(let expression) = event.kind, state.values[number] == nil else { continue }
                let values = state.values
                if let expected = event.expected, state.happened[number] == nil, let partner = event.partner,
                    let found = values[partner], let wanted = expected.value({ values[$0] })
                {
                    state.happened[number] = found == wanted
                }
                if event.expected != nil, state.happened[number] != true { continue }
                state.values[number] = expression.value { values[$0] }
            }
        }
    }

    private func sources(of read: Int, _ state: SearchState) -> UInt64 {
        let event = state.events[read]
        var result: UInt64 = 0
        for (number, write) in state.events.enumerated()
        where write.isWrite && write.memory == event.memory && state.values[number] != nil {
            if event.partner == number { continue }
            // No thread reads what it writes later.
            if write.thread == event.thread, number > read, write.address == event.address,
                write.proxy == event.proxy
            {
                continue
            }
            result |= 1 << UInt64(number)
        }
        return result & ~(state.passed[read] ?? 0)
    }

    // MARK: Ends

    private mutating func finish(_ state: SearchState) {
        guard zip(state.threads, test.threads).allSatisfy({ $0.isDone($1) }) else { return }
        candidates += 1
        let values = state.values.map { $0 ?? 0 }
        let threads = state.threads
        let candidate = Candidate(
            test: test, events: state.events, values: values,
            source: state.events.indices.map { state.source[$0] },
            isPresent: state.events.indices.map { state.happened[$0] ?? true },
            registers: threads.map { thread in { thread.register($0).value { values[$0] } ?? 0 } })
        var ends = ends
        var races = hasRace
        let possible = self.ends(of: candidate, coherence: nil)
        // Nothing new can come of it.
        if races, possible.allSatisfy({ ends.contains($0) || !isCounted($0) }) { return }
        let model = MemoryModel(candidate)
        model.forEachExecution { coherence, causality in
            for end in self.ends(of: candidate, coherence: coherence) where isCounted(end) { ends.insert(end) }
            if !races, model.hasRace(causality) { races = true }
            return !(races && possible.allSatisfy { ends.contains($0) || !isCounted($0) })
        }
        (self.ends, hasRace) = (ends, races)
    }

    private func isCounted(_ end: [Int]) -> Bool { test.filter.map { holds($0, end) } ?? true }

    /// Ends of a candidate: memory holds the value of a write that no other comes after; of any write if no order is
    /// given.
    private func ends(of candidate: Candidate, coherence: Relation?) -> [[Int]] {
        var ends: [[Int]] = [[]]
        // Two names of one memory have one value.
        var finals: [Int: Int] = [:]
        for (position, term) in terms.enumerated() {
            switch term {
            case .constant(let value): ends = ends.map { $0 + [value] }
            case .register(let thread, let register):
                let value = candidate.registers[thread](register)
                ends = ends.map { $0 + [value] }
            case .memory(let location):
                let memory = test.locations[location].memory
                if let first = finals[memory] {
                    ends = ends.map { $0 + [$0[first]] }
                    continue
                }
                finals[memory] = position
                let writes = candidate.events.indices.filter {
                    candidate.events[$0].isWrite && candidate.events[$0].memory == memory && candidate.isPresent[$0]
                }
                let last = writes.filter { write in
                    guard let coherence else { return true }
                    return !writes.contains { coherence.contains(write, $0) }
                }
                let values = Set(last.map { candidate.values[$0] })
                ends = ends.flatMap { end in values.map { end + [$0] } }
            }
        }
        return ends
    }
}

extension LitmusTest {
    /// Registers and locations that filter and question look at, in a fixed order.
    var terms: [LitmusTerm] {
        let all = question.condition.terms.union(filter?.terms ?? [])
        return all.sorted { Self.key($0).lexicographicallyPrecedes(Self.key($1)) }
    }

    private static func key(_ term: LitmusTerm) -> [Int] {
        switch term {
        case .register(let thread, let register): [0, thread, register]
        case .memory(let location): [1, location]
        case .constant(let value): [2, value]
        }
    }
}
