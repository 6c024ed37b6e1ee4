/// Every choice at random, loads mostly the newest value.
struct RandomPolicy: SchedulePolicy {
    private var random: RandomSource

    init(seed: UInt64) { random = RandomSource(seed: seed) }

    mutating func choose(_ decision: Decision) -> Int {
        switch decision.kind {
        case .agent, .place: random.below(decision.count)
        case .value: random.below(2) == 0 ? 0 : random.below(decision.count)
        case .delay: random.below(4) == 0 ? 1 : 0
        case .postponement, .givingUp: random.below(8) == 0 ? 1 + random.below(decision.count - 1) : 0
        }
    }
}
