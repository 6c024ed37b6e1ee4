import Dispatch

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A process that is to be lost, to see what becomes of the others.
struct LostRank: Hashable, Sendable {
    /// How it is lost.
    enum Way: Hashable, Sendable {
        /// It is killed.
        case kill
        /// It is stopped, for ever or for seconds.
        case stop(seconds: Double?)
    }

    /// A rank of the process.
    let rank: Int
    let way: Way
    /// When: in parts of the time that a step takes, from when one begins.
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

    /// After how long a stopped process is to go on.
    var pause: Double? { if case .stop(let seconds) = way { seconds } else { nil } }
}

extension LostRank {
    /// Has this process lost when so much of a step has passed that begins now.
    ///
    /// - Parameter seconds: What a step takes.
    func arm(seconds: Double) {
        let end = ContinuousClock.now + .seconds(seconds * part)
        DispatchQueue(label: "loss", qos: .userInteractive).async {
            // Sleeps most of the time, and then looks at nothing but the clock.
            let left = (end - ContinuousClock.now) / .microseconds(1)
            if left > 2_000 { usleep(UInt32(min(left - 1_000, 1e9))) }
            while ContinuousClock.now < end {}
            kill(getpid(), way == .kill ? SIGKILL : SIGSTOP)
        }
    }
}
