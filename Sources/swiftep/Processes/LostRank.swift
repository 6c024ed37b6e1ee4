import Dispatch

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A process to be lost on purpose, to test the others.
struct LostRank: Hashable, Sendable {
    /// How it is lost.
    enum Way: Hashable, Sendable {
        /// It is killed.
        case kill
        /// It is stopped, forever or for seconds.
        case stop(seconds: Double?)
    }

    /// A rank of the process.
    let rank: Int
    let way: Way
    /// When it is lost: as a fraction of a step's time, from the beginning of one.
    let part: Double

    /// Reads what the option takes; nil for other texts.
    init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, let rank = strictInteger(parts[0]), rank >= 0, let part = Double(parts[2]),
            (0...10).contains(part)
        else { return nil }
        switch parts[1] {
        case "kill": way = .kill
        case "stop": way = .stop(seconds: nil)
        default:
            guard parts[1].hasSuffix("s"), let seconds = Double(parts[1].dropLast()), (0...3600).contains(seconds)
            else { return nil }
            way = .stop(seconds: seconds)
        }
        (self.rank, self.part) = (rank, part)
    }

    /// Seconds after which a stopped process is to go on; nil for never.
    var pause: Double? { if case .stop(let seconds) = way { seconds } else { nil } }
}

extension LostRank {
    /// Loses this process when `part` of a step that begins now has passed.
    ///
    /// - Parameter seconds: The time of a step.
    func arm(seconds: Double) {
        let end = ContinuousClock.now + .seconds(seconds * part)
        DispatchQueue(label: "loss", qos: .userInteractive).async {
            // Sleeps most of the time, and then spins on the clock.
            let left = (end - ContinuousClock.now) / .microseconds(1)
            if left > 2_000 { usleep(UInt32(min(left - 1_000, 1e9))) }
            while ContinuousClock.now < end {}
            kill(getpid(), way == .kill ? SIGKILL : SIGSTOP)
        }
    }
}
