import KernelLanguage

/// Which of a block's sixteen barriers is which of the test's, and who meets there.
///
/// In the format a barrier with a quorum is open to all once as many have come; a thread that comes after them neither
/// waits nor learns anything. A kernel's barrier starts anew instead. So each choice of those that meet is a plan of
/// its own, in which the others have no barrier. Names that a program computes are not known before it runs: each way
/// in which they may be equal is a plan, and what ran counts if they came out so.
struct BarrierPlan {
    struct Instruction: Hashable {
        let thread: Int
        let index: Int
    }

    /// A barrier as a thread comes to it.
    private struct Comer {
        let instruction: Instruction
        let hasName: Bool
        /// nil without one, and for one that is computed.
        let name: Int?
        let isComputed: Bool
        let quorum: Int?
    }

    private struct Key: Hashable {
        let gpu: Int
        let block: Int
        let instance: Int
        /// The first time, the second time; for tests with jumps, which may come any number of times, always 0.
        let occurrence: Int
    }

    private struct Meeting {
        let number: Int
        let threads: Int
    }

    private var meetings: [Instruction: Meeting] = [:]
    /// Barriers by name, where some are computed: those of one list have one name, and those of different lists that
    /// began in one place have different ones.
    private(set) var assumed: [[[Instruction]]] = []
    /// Next number of each block.
    private var numbers: [[Int]: Int] = [:]
    /// Most threads that a barrier waits for.
    private(set) var largestQuorum = 1

    /// Most plans of a test that are tried.
    private static let planLimit = 64

    /// Number of a thread's barrier at an instruction, and threads that meet there with all the lanes of their warps;
    /// nil if the thread just goes on.
    func meeting(thread: Int, index: Int) -> (number: Int, threads: Int)? {
        meetings[Instruction(thread: thread, index: index)].map { ($0.number, 32 * $0.threads) }
    }

    /// Whether a run counts only if this barrier's name comes out as assumed.
    func isAssumed(thread: Int, index: Int) -> Bool {
        let own = Instruction(thread: thread, index: index)
        return assumed.contains { $0.contains { $0.contains(own) } }
    }

    /// Whether names came out as assumed.
    func agrees(with name: (Instruction) -> UInt32) -> Bool {
        assumed.allSatisfy { classes in
            let names = classes.map { Set($0.map(name)) }
            return names.allSatisfy { $0.count == 1 } && Set(names).count == names.count
        }
    }

    /// All plans of a test.
    static func all(_ test: LitmusTest) throws(LitmusObstacle) -> [BarrierPlan] {
        let hasJumps = test.threads.contains { $0.instructions.contains { $0.instruction.target != nil } }
        var plans = [BarrierPlan()]
        for (key, comers) in try comers(test, hasJumps: hasJumps) {
            guard comers.count(where: \.isComputed) <= 4 else {
                throw LitmusObstacle(description: "more than 4 barriers in one place whose names are computed")
            }
            var next: [BarrierPlan] = []
            for classes in classes(comers) {
                var extended = plans
                if comers.contains(where: \.isComputed) {
                    for position in extended.indices {
                        extended[position].assumed.append(
                            classes.filter { $0.allSatisfy(\.hasName) }.map { $0.map(\.instruction) })
                    }
                }
                for members in classes {
                    var further: [BarrierPlan] = []
                    for plan in extended { further += try plan.meeting(members, key, hasJumps: hasJumps) }
                    extended = further
                }
                next += extended
                guard next.count <= planLimit else {
                    throw LitmusObstacle(description: "more than \(planLimit) ways to meet at barriers")
                }
            }
            plans = next
        }
        return plans
    }

    /// The plans that follow when barriers of one name are met by as many as are needed.
    private func meeting(
        _ members: [Comer], _ key: Key, hasJumps: Bool
    ) throws(LitmusObstacle) -> [BarrierPlan] {
        let comers = Set(members.map(\.instruction.thread)).count
        let count = members.compactMap(\.quorum).max().map { max($0, 1) } ?? comers
        let number = numbers[[key.gpu, key.block], default: 0]
        guard number < 16 else { throw LitmusObstacle(description: "more than 16 barriers") }
        let choices = hasJumps || count >= comers ? [members] : Self.subsets(members[...], count)
        return choices.map { chosen in
            var next = self
            next.numbers[[key.gpu, key.block]] = number + 1
            next.largestQuorum = max(largestQuorum, count)
            for member in chosen { next.meetings[member.instruction] = Meeting(number: number, threads: count) }
            return next
        }
    }

    /// By place, in the order in which they come up.
    private static func comers(
        _ test: LitmusTest, hasJumps: Bool
    ) throws(LitmusObstacle) -> [(Key, [Comer])] {
        var result: [(Key, [Comer])] = []
        for (number, thread) in test.threads.enumerated() {
            var occurrences: [Int: Int] = [:]
            for (index, step) in thread.instructions.enumerated() {
                guard case .barrier(let barrier) = step.instruction else { continue }
                let occurrence = hasJumps ? 0 : occurrences[barrier.instance, default: 0]
                occurrences[barrier.instance, default: 0] += 1
                let key = Key(
                    gpu: thread.gpu, block: thread.block, instance: barrier.instance, occurrence: occurrence)
                let name = barrier.name.flatMap { constant($0, thread) }
                let isComputed = barrier.name != nil && name == nil
                let quorum = barrier.quorum.flatMap { constant($0, thread) }
                if isComputed && hasJumps || barrier.quorum != nil && quorum == nil {
                    throw LitmusObstacle(description: "a barrier whose number is computed")
                }
                let comer = Comer(
                    instruction: Instruction(thread: number, index: index), hasName: barrier.name != nil, name: name,
                    isComputed: isComputed, quorum: quorum)
                if let place = result.firstIndex(where: { $0.0 == key }) {
                    result[place].1.append(comer)
                } else {
                    result.append((key, [comer]))
                }
            }
        }
        return result
    }

    /// Ways in which names can be equal: each is a list of barriers for each name, and one for those without.
    private static func classes(_ comers: [Comer]) -> [[[Comer]]] {
        let known = comers.filter { !$0.isComputed }
        var classes: [[Comer]] = []
        for comer in known {
            if let index = classes.firstIndex(where: { $0[0].name == comer.name }) {
                classes[index].append(comer)
            } else {
                classes.append([comer])
            }
        }
        return comers.filter(\.isComputed).reduce([classes]) { ways, comer in
            ways.flatMap { way in
                way.indices.filter { way[$0].allSatisfy(\.hasName) }.map { index in
                    var next = way
                    next[index].append(comer)
                    return next
                } + [way + [[comer]]]
            }
        }
    }

    private static func subsets(_ members: ArraySlice<Comer>, _ count: Int) -> [[Comer]] {
        guard count > 0 else { return [[]] }
        guard members.count >= count, let first = members.first else { return [] }
        let rest = members.dropFirst()
        return subsets(rest, count - 1).map { [first] + $0 } + subsets(rest, count)
    }

    /// The value of a number; nil if the program computes it.
    private static func constant(_ value: LitmusValue, _ thread: LitmusThread) -> Int? {
        switch value {
        case .constant(let value): return value
        case .register(let register):
            let isComputed = thread.instructions.contains { $0.instruction.result == register }
            return isComputed ? nil : thread.registers[register] ?? 0
        }
    }
}
