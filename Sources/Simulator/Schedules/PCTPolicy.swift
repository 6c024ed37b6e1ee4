/// Probabilistic concurrency testing (Burckhardt and others, 2010): agents have random priorities, the highest one
/// runs, and at `depth` - 1 random moments the running one falls below all others. Here an agent that has been chosen
/// often falls too, since kernels poll, and those that they wait for must get their turn.
struct PCTPolicy: SchedulePolicy {
    private static let mostTurns = 100

    private var random: RandomSource
    /// By agent; 0 for those that have not come up.
    private var priorities: [UInt64] = []
    private var moments: Set<Int> = []
    private var decisions = 0
    /// By agent: how often it has been chosen since it fell last.
    private var turns: [Int] = []
    private var lowest = UInt64(1) << 40

    /// - Parameter length: Agent decisions among which the moments lie.
    init(seed: UInt64, depth: Int, length: Int) {
        random = RandomSource(seed: seed &* 2 &+ 1)
        for _ in 1..<max(depth, 2) { moments.insert(random.below(max(length, 1))) }
    }

    mutating func choose(_ decision: Decision) -> Int {
        switch decision.kind {
        case .agent: return chooseAgent(decision)
        case .value: return random.below(3) == 0 ? random.below(decision.count) : 0
        case .delay: return random.below(4) == 0 ? 1 : 0
        case .postponement, .givingUp: return random.below(16) == 0 ? 1 + random.below(decision.count - 1) : 0
        case .place: return random.below(decision.count)
        }
    }

    var readsAgents: Bool { true }

    private mutating func chooseAgent(_ decision: Decision) -> Int {
        decisions += 1
        for agent in decision.agents {
            let index = Int(agent)
            if index >= priorities.count {
                let added = index + 1 - priorities.count
                priorities.append(contentsOf: repeatElement(0, count: added))
                turns.append(contentsOf: repeatElement(0, count: added))
            }
            if priorities[index] == 0 { priorities[index] = UInt64(1) << 41 | random.next() >> 24 }
        }
        var best = 0
        for index in decision.agents.indices
        where priority(decision.agents[index]) > priority(decision.agents[best]) {
            best = index
        }
        let agent = Int(decision.agents[best])
        turns[agent] += 1
        if moments.contains(decisions) || turns[agent] >= Self.mostTurns {
            lowest -= 1
            priorities[agent] = lowest
            turns[agent] = 0
        }
        return best
    }

    private func priority(_ agent: UInt32) -> UInt64 { priorities[Int(agent)] }
}
