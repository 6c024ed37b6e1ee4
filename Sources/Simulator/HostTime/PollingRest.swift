/// When a machine that does nothing but poll gives the CPU away. What is polled for comes from other processes, which
/// may need it.
struct PollingRest {
    /// Time after which a machine rests at the earliest, and at the latest, in nanoseconds.
    private static let shortestStint: UInt64 = 50_000
    private static let longestStint: UInt64 = 1_000_000
    private static let shortestNap: UInt64 = 50_000
    private static let longestNap: UInt64 = 200_000

    private var start: UInt64 = 0
    private var switchesAtStart: UInt64 = 0
    private var nap = shortestNap

    /// Something other than polling has happened.
    mutating func restart(clock: UInt64, switches: UInt64) {
        (start, switchesAtStart) = (clock, switches)
        nap = Self.shortestNap
    }

    /// How long to rest now; nil for not yet: most of the `warps` that poll have not had their turn.
    mutating func duration(clock: UInt64, switches: UInt64, warps: Int) -> UInt64? {
        let stint = clock &- start
        guard stint >= Self.shortestStint,
            stint >= Self.longestStint || switches &- switchesAtStart >= UInt64(2 * warps)
        else { return nil }
        defer { nap = min(nap * 2, Self.longestNap) }
        return nap
    }

    /// A rest is over.
    mutating func resume(clock: UInt64, switches: UInt64) { (start, switchesAtStart) = (clock, switches) }
}
