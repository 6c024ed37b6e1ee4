/// Takes choices out of a failing schedule as long as it fails in the same way.
struct Shrinker<Outcome> {
    /// Most trials to run.
    let runs: Int

    /// Longer lists of choices are of no use as text; then the schedule stays as it was.
    private static var longestText: Int { 400 }

    func shrink(
        _ error: any Error, _ schedule: Schedule, _ record: ScheduleRecord,
        _ trial: (Schedule) -> Exploration.Trial<Outcome>
    ) -> ExplorationFailure {
        var left = runs
        func fails(_ choices: [Int: Int]) -> (any Error, [Int: Int])? {
            guard left > 0 else { return nil }
            left -= 1
            let (result, record) = trial(.choices(choices))
            guard case .failure(let other) = result, Self.kind(other) == Self.kind(error) else { return nil }
            return (other, record.choices)
        }
        // Decisions beyond the failure are not in the record, so a failing prefix is short already.
        var best = error
        guard
            var current = fails(record.choices).map({ found in
                best = found.0
                return record.choices
            })
        else { return ExplorationFailure(error: error, schedule: schedule, original: schedule) }
        var parts = 1
        while !current.isEmpty, left > 0 {
            let keys = current.keys.sorted()
            let size = (keys.count + parts - 1) / parts
            var smaller: [Int: Int]?
            for start in stride(from: 0, to: keys.count, by: size) {
                var candidate = current
                for key in keys[start..<min(start + size, keys.count)] { candidate[key] = nil }
                if let found = fails(candidate) {
                    (smaller, best) = (candidate, found.0)
                    break
                }
            }
            if let smaller {
                current = smaller
                parts = max(parts - 1, 1)
            } else if size == 1 {
                break
            } else {
                parts = min(parts * 2, keys.count)
            }
        }
        let shrunk = current.count <= Self.longestText
        return ExplorationFailure(
            error: shrunk ? best : error, schedule: shrunk ? .choices(current) : schedule, original: schedule)
    }

    /// Errors of one kind have the same cause, as far as can be told.
    private static func kind(_ error: any Error) -> String {
        guard let error = error as? SimulationError else { return String(reflecting: type(of: error)) }
        switch error {
        case .race(let report):
            let places = [report.first, report.second].map { $0.place.map { "\($0.location)" } ?? "host" }
            return "race \(places)"
        case .invalidOperation(let place, _): return "invalid operation \(place.location)"
        default: return String(String(describing: error).prefix { $0 != ":" && $0 != "," })
        }
    }
}
