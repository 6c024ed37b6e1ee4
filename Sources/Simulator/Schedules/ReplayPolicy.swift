/// Given choices by the number of the decision, and choice 0 for all others.
struct ReplayPolicy: SchedulePolicy {
    private let choices: [Int: Int]
    private var decisions = 0

    init(_ choices: [Int: Int]) { self.choices = choices }

    mutating func choose(_ decision: Decision) -> Int {
        defer { decisions += 1 }
        return min(choices[decisions] ?? 0, decision.count - 1)
    }
}
