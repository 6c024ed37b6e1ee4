import KernelLanguage

/// A GPU simulated on the CPU: memory, streams, events and multiprocessors that run kernels warp by warp.
///
/// Work is queued first and runs inside `synchronize`: the warps of all resident blocks of all kernels in all streams
/// are interleaved at random, but reproducibly from the seed. Memory is sequentially consistent, unless the
/// configuration has a schedule: then a judge follows PTX's memory model and stops the machine at the first race.
/// Asynchronous copies and multiplies happen later than they are issued, so that a missing wait gives wrong data.
///
/// Not for use from several threads at once. After an error only `reset()` makes the machine accept work again.
public final class SimulatedMachine {
    /// What the machine was made with.
    public let configuration: SimulatorConfiguration

    let memory = DeviceMemory()
    let counters: UnsafeMutablePointer<MachineCounters>
    let math = WarpGroupMath()
    @exclusivity(unchecked) var random: RandomSource
    @exclusivity(unchecked) var failure: SimulationError?

    /// With a schedule: what checks every access.
    @exclusivity(unchecked) private(set) var judge: Judge?
    /// With a judge: asynchronous work that can happen at any moment.
    @exclusivity(unchecked) var work: [TimedAction] = []
    var lastAgent = 0
    var launches = 0

    // Scheduler
    @exclusivity(unchecked) var runnable: [Warp] = []
    @exclusivity(unchecked) var events = TimedEvents()
    @exclusivity(unchecked) var sleepingWarps = 0
    /// Instructions that the clock has not counted yet.
    var uncountedInstructions: UInt64 = 0
    /// Time to skip next while nothing but polling happens, the instruction count at which to skip it, and the last
    /// known progress.
    var leap: UInt64 = 0
    var nextLeapAt: UInt64 = 0
    var lastProgress: UInt64 = .max
    /// Sleeps begun, now and at the last leap: without sleepers nobody waits for time to pass.
    var sleeps: UInt64 = 0
    var sleepsAtLeap: UInt64 = 0
    var isRunning = false
    @exclusivity(unchecked) var network = NetworkState()
    @exclusivity(unchecked) var halts: Halts {
        didSet { (nextHaltStart, nextHaltEnd) = (halts.nextStart, halts.nextEnd) }
    }
    let hasHalts: Bool
    /// The count of instructions at which a halt begins, and the time at which one ends; the greatest numbers if none
    /// does.
    @exclusivity(unchecked) private(set) var nextHaltStart = UInt64.max
    @exclusivity(unchecked) private(set) var nextHaltEnd = UInt64.max

    // Host time
    private(set) var followsHost: Bool
    @exclusivity(unchecked) var rest = PollingRest()
    /// The clock when the machine was made.
    private var start: UInt64

    // Residency
    var multiprocessors: [Multiprocessor]
    var multiprocessorsInUse = 0
    var residentBlocks: [BlockState] = []
    /// Kernels with blocks that are not resident yet, in the order in which they started.
    var dispatchingRuns: [KernelRun] = []
    @exclusivity(unchecked) var dispatchNeeded = false

    // Streams
    /// In the order in which they were made.
    var streams: [StreamState] = []
    /// The latest recording of each event, nil before the first.
    var recordings: [EventID: EventRecord?] = [:]
    /// Streams and events made so far.
    var handles = 0
    @exclusivity(unchecked) var streamsChanged = false

    /// A machine without any memory allocated.
    public init(_ configuration: SimulatorConfiguration = SimulatorConfiguration()) {
        self.configuration = configuration
        random = RandomSource(seed: configuration.seed)
        halts = Halts(configuration.halts)
        hasHalts = !configuration.halts.isEmpty
        nextHaltStart = halts.nextStart
        counters = .allocate(capacity: 1)
        followsHost = configuration.clock == .host
        start = followsHost ? HostClock.now : 0
        counters.initialize(to: MachineCounters(clock: start))
        multiprocessors = Array(repeating: Multiprocessor(), count: max(configuration.multiprocessors, 1))
        if let schedule = configuration.schedule {
            judge = Judge(
                self, schedule: schedule, postponesAccesses: configuration.postponesAccesses,
                followsRaces: configuration.followsRaces)
        }
    }

    /// From now on the clock is the host's, as `SimulatorConfiguration.Clock.host` makes it. Nothing may be under way.
    package func followHost() {
        guard !followsHost else { return }
        followsHost = true
        start = HostClock.now &- (counters.pointee.clock &- start)
        counters.pointee.clock = HostClock.now
    }

    deinit {
        math.deallocate()
        counters.deallocate()
    }

    /// Simulated nanoseconds since the machine was made, or what the host's clock said last.
    public var clock: UInt64 { counters.pointee.clock }

    /// What the machine has done so far.
    public var statistics: SimulatorStatistics {
        SimulatorStatistics(
            instructions: counters.pointee.instructions, contextSwitches: counters.pointee.switches,
            nanoseconds: counters.pointee.clock &- start)
    }

    /// With a judge that follows races: the schedule led to no execution of the model, and the error says no more than
    /// that.
    package var isAbandoned: Bool { judge?.isAbandoned ?? false }

    /// With a schedule, its decisions so far; otherwise nil.
    public var scheduleRecord: ScheduleRecord? {
        guard let judge else { return nil }
        var record = judge.schedule.record
        record.interleaving = judge.interleaving.number
        return record
    }

    /// Drops all queued and running work and forgets the last error. Memory, streams and events stay; the schedule
    /// starts again from the seed.
    public func reset() {
        failure = nil
        random = RandomSource(seed: configuration.seed)
        halts = Halts(configuration.halts)
        runnable = []
        events = TimedEvents()
        sleepingWarps = 0
        uncountedInstructions = 0
        leap = 0
        nextLeapAt = 0
        lastProgress = .max
        multiprocessors = Array(repeating: Multiprocessor(), count: multiprocessors.count)
        multiprocessorsInUse = 0
        residentBlocks = []
        dispatchingRuns = []
        dispatchNeeded = false
        streams = streams.map { StreamState($0.id, label: $0.label, rank: $0.rank) }
        recordings = recordings.mapValues { _ in nil }
        streamsChanged = false
        counters.pointee.instructions = 0
        work = []
        network = NetworkState()
        lastAgent = 0
        judge?.startEra()
    }
}

/// Counts of what a machine has done.
public struct SimulatorStatistics: Hashable, Sendable {
    /// Warp instructions run.
    public var instructions: UInt64
    /// Times that a warp was picked to run.
    public var contextSwitches: UInt64
    /// Nanoseconds of the machine's clock.
    public var nanoseconds: UInt64
}
