import Accelerator
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The transport of ranks in one process on one device: their windows are allocations like any other.
public final class LocalTransport: Transport {
    /// See ``Transport/rank``.
    public let rank: Int
    private let meeting: Meeting
    /// Windows of this rank, whether or not they have been offered.
    private let made = Mutex<[String: DeviceBuffer]>([:])

    private init(rank: Int, _ meeting: Meeting) {
        self.rank = rank
        self.meeting = meeting
    }

    /// The transports of a group, by rank.
    ///
    /// - Throws: `TransportError.groupSize` for less than one rank.
    public static func group(ranks: Int) throws(TransportError) -> [LocalTransport] {
        guard ranks > 0 else { throw .groupSize(ranks) }
        let meeting = Meeting(ranks: ranks)
        return (0..<ranks).map { LocalTransport(rank: $0, meeting) }
    }

    /// See ``Transport/ranks``.
    public var ranks: Int { meeting.ranks }

    /// See ``Transport/reach(of:)``.
    public func reach(of peer: Int) -> PeerReach { .sameDevice }

    /// See ``Transport/makeWindow(_:bytes:on:)``.
    public func makeWindow(_ name: String, bytes: Int, on device: any Device) throws -> DeviceBuffer {
        let window = try device.allocate(bytes: bytes, label: "\(name) of rank \(rank)")
        let isNew = made.withLock { made in
            if made[name] != nil { return false }
            made[name] = window
            return true
        }
        guard isNew else { throw TransportError.repeatedWindow(rank: rank, name: name) }
        return window
    }

    /// See ``Transport/offerWindow(_:)``.
    public func offerWindow(_ name: String) throws {
        guard let window = made.withLock({ $0[name] }) else {
            throw TransportError.unknownWindow(rank: rank, name: name)
        }
        meeting.add(window, name, of: rank)
    }

    /// See ``Transport/windows(_:within:)``.
    public func windows(_ name: String, within seconds: Double) throws -> [DeviceBuffer] {
        try meeting.windows(name, within: seconds)
    }

    /// See ``Transport/window(_:of:within:)``.
    public func window(_ name: String, of peer: Int, within seconds: Double) throws -> DeviceBuffer {
        try meeting.window(name, of: peer, within: seconds)
    }

    /// See ``Transport/barrier(within:)``.
    public func barrier(within seconds: Double) throws { try meeting.barrier(of: rank, within: seconds) }
}

/// The shared state of the ranks of a process, which may be on threads of their own.
private final class Meeting: Sendable {
    let ranks: Int
    private let state: Mutex<State>

    private struct State {
        var windows: [String: [Int: DeviceBuffer]] = [:]
        /// The number of times that each rank has come to the barrier.
        var arrivals: [Int]
    }

    init(ranks: Int) {
        self.ranks = ranks
        state = Mutex(State(arrivals: [Int](repeating: 0, count: ranks)))
    }

    func add(_ window: DeviceBuffer, _ name: String, of rank: Int) {
        state.withLock { $0.windows[name, default: [:]][rank] = window }
    }

    func windows(_ name: String, within seconds: Double) throws -> [DeviceBuffer] {
        try wait("window \"\(name)\"", within: seconds) { state in
            (0..<ranks).filter { state.windows[name]?[$0] == nil }
        }
        let found = state.withLock { $0.windows[name] ?? [:] }
        return (0..<ranks).compactMap { found[$0] }
    }

    func window(_ name: String, of rank: Int, within seconds: Double) throws -> DeviceBuffer {
        try wait("window \"\(name)\"", within: seconds) { state in state.windows[name]?[rank] == nil ? [rank] : [] }
        guard let window = state.withLock({ $0.windows[name]?[rank] }) else {
            throw TransportError.unknownWindow(rank: rank, name: name)
        }
        return window
    }

    func barrier(of rank: Int, within seconds: Double) throws {
        let mine = state.withLock { state in
            state.arrivals[rank] += 1
            return state.arrivals[rank]
        }
        func missing(_ state: borrowing State) -> [Int] { (0..<ranks).filter { state.arrivals[$0] < mine } }
        do {
            try wait("a barrier", within: seconds, missing: missing)
        } catch {
            // A rank that gave up counts as absent, unless all have come meanwhile.
            let isComplete = state.withLock { state in
                if missing(state).isEmpty { return true }
                state.arrivals[rank] -= 1
                return false
            }
            if !isComplete { throw error }
        }
    }

    /// Polls until no rank is missing.
    private func wait(_ what: String, within seconds: Double, missing: (borrowing State) -> [Int]) throws {
        let clock = ContinuousClock()
        // Longer than any wait, and short enough to be added.
        let end = clock.now + .seconds(seconds < 1e9 ? max(seconds, 0) : 1e9)
        while true {
            let absent = state.withLock { missing($0) }
            if absent.isEmpty { return }
            guard clock.now < end else { throw TransportError.missingRanks(absent, what: what, seconds: seconds) }
            usleep(200)
        }
    }
}
