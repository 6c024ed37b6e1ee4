/// Who meets at the barriers of a candidate.
struct BarrierMeetings {
    /// Ways in which barriers can have come together; each is a list of groups of events. Empty if somebody waits for
    /// ever.
    let choices: [[[Int]]]

    private struct Key: Hashable {
        let thread: Int
        let instance: Int
        let occurrence: Int
    }

    init(_ candidate: Candidate) {
        var events: [Key: Int] = [:]
        var met: [(event: Int, barrier: Event.MetBarrier)] = []
        for (number, event) in candidate.events.enumerated() {
            guard case .barrier(let barrier) = event.kind else { continue }
            events[Key(thread: event.thread, instance: barrier.instance, occurrence: barrier.occurrence)] = number
            met.append((number, barrier))
        }
        var choices: [[[Int]]] = [[]]
        var done: Set<Int> = []
        for (number, barrier) in met where !done.contains(number) {
            let thread = candidate.events[number].thread
            var group: [Int] = []
            var isComplete = true
            for other in candidate.test.threads.indices
            where candidate.test.threads[other].sharesBlock(with: candidate.test.threads[thread]) {
                let key = Key(thread: other, instance: barrier.instance, occurrence: barrier.occurrence)
                if let event = events[key], case .barrier(let theirs) = candidate.events[event].kind {
                    if theirs.name == barrier.name { group.append(event) }
                } else if barrier.isExpected(in: candidate.test.threads[other]) {
                    isComplete = false
                }
            }
            done.formUnion(group)
            let quorums = group.compactMap { event -> Int? in
                if case .barrier(let barrier) = candidate.events[event].kind { barrier.quorum } else { nil }
            }
            let waits = group.contains { event in
                if case .barrier(let barrier) = candidate.events[event].kind { !barrier.onlyArrives } else { false }
            }
            guard let quorum = quorums.max() else {
                if !isComplete && waits {
                    self.choices = []
                    return
                }
                for index in choices.indices { choices[index].append(group) }
                continue
            }
            if group.count < quorum {
                if waits {
                    self.choices = []
                    return
                }
                continue
            }
            // A larger group only adds order, so the smallest groups allow all that is possible.
            let meetings = Self.subsets(of: group, count: max(quorum, 1))
            choices = choices.flatMap { choice in meetings.map { choice + [$0] } }
        }
        self.choices = choices.filter { Self.isPossible($0, candidate) }
    }

    private static func subsets(of group: [Int], count: Int) -> [[Int]] {
        guard count > 0 else { return [[]] }
        guard group.count >= count, let first = group.first else { return [] }
        let rest = Array(group.dropFirst())
        return subsets(of: rest, count: count - 1).map { [first] + $0 } + subsets(of: rest, count: count)
    }

    /// Whether no waits form a cycle: a meeting comes after those that its members had before.
    private static func isPossible(_ groups: [[Int]], _ candidate: Candidate) -> Bool {
        var before = Relation(groups.count)
        for (first, group) in groups.enumerated() {
            for (second, other) in groups.enumerated() where first != second {
                for a in group {
                    // A thread that only arrives does not wait.
                    if case .barrier(let barrier) = candidate.events[a].kind, barrier.onlyArrives { continue }
                    if other.contains(where: { candidate.isBefore(a, $0) }) { before.insert(first, second) }
                }
            }
        }
        before.close()
        return !before.isReflexive
    }
}

extension Event.MetBarrier {
    /// Whether a thread that has not met the barrier as often yet must still come.
    func isExpected(in thread: LitmusThread) -> Bool {
        var count = 0
        for (index, step) in thread.instructions.enumerated() {
            guard case .barrier(let barrier) = step.instruction, barrier.instance == instance else { continue }
            switch (barrier.name, name) {
            case (nil, nil), (.register, .some): break
            case (.constant(let theirs), .some(let own)) where theirs == own: break
            default: continue
            }
            if thread.loops.contains(where: { $0.contains(index) }) { return true }
            count += 1
        }
        return count > occurrence
    }
}
