/// The machine to simulate, and its schedule.
public struct SimulatorConfiguration: Hashable, Sendable {
    /// The clocks that a machine can have.
    public enum Clock: Hashable, Sendable {
        /// Time passes with instructions, and leaps when nothing but polling happens: runs are reproducible, and
        /// deadlines within reach.
        case simulated
        /// `CLOCK_MONOTONIC` of the host, for a machine whose memory other processes write to while it runs. Nothing
        /// leaps, and a machine that does nothing but poll naps now and then. Not with a schedule.
        case host
    }

    /// Number of streaming multiprocessors, at least 1.
    public var multiprocessors: Int
    /// Seed of the schedule: the same seed and the same calls give the same run, bit for bit, unless the clock is
    /// the host's.
    public var seed: UInt64
    /// Bytes of shared memory per multiprocessor; each resident block takes 1 KB more than it asks for.
    public var sharedBytesPerMultiprocessor: Int
    /// Threads that can be resident on one multiprocessor.
    public var threadsPerMultiprocessor: Int
    /// Blocks that can be resident on one multiprocessor.
    public var blocksPerMultiprocessor: Int
    /// Warp instructions after which the machine gives up, counted from its creation or last reset; nil for no limit.
    public var instructionLimit: UInt64?
    /// Simulated nanoseconds that a thread stays suspended in one try-wait on an mbarrier.
    public var suspendLimit: UInt64
    /// The machine's clock; simulated unless said otherwise.
    public var clock: Clock
    /// Ranks whose work stops in the middle, for a while or for ever.
    public var halts: [RankHalt]
    /// The network between ranks; one that orders nothing unless said otherwise.
    public var network: NetworkConfiguration

    /// A schedule makes the machine a judge: it follows PTX's memory model, reports races, lets loads read older values
    /// where the model allows it, and takes every free choice from the schedule instead of `seed`. Several times
    /// slower.
    public var schedule: Schedule?
    /// With a schedule: relaxed loads and stores may also be put off behind later accesses. On unless said otherwise;
    /// the number of schedules of an exhaustive exploration grows with it.
    public var postponesAccesses: Bool
    /// With a schedule: races do not stop the machine. Reads get any value that PTX's memory model allows, and accesses
    /// pass whatever it lets them pass. For programs of a handful of accesses, by one lane of each warp.
    package var followsRaces = false

    /// A machine the size of an H200 unless said otherwise.
    public init(
        multiprocessors: Int = 132, seed: UInt64 = 0, sharedBytesPerMultiprocessor: Int = 228 * 1024,
        threadsPerMultiprocessor: Int = 2048, blocksPerMultiprocessor: Int = 32, instructionLimit: UInt64? = nil,
        suspendLimit: UInt64 = 20_000, clock: Clock = .simulated, halts: [RankHalt] = [],
        network: NetworkConfiguration = NetworkConfiguration(), schedule: Schedule? = nil,
        postponesAccesses: Bool = true
    ) {
        self.multiprocessors = multiprocessors
        self.seed = seed
        self.sharedBytesPerMultiprocessor = sharedBytesPerMultiprocessor
        self.threadsPerMultiprocessor = threadsPerMultiprocessor
        self.blocksPerMultiprocessor = blocksPerMultiprocessor
        self.instructionLimit = instructionLimit
        self.suspendLimit = suspendLimit
        self.clock = clock
        self.halts = halts
        self.network = network
        self.schedule = schedule
        self.postponesAccesses = postponesAccesses
    }
}
