import KernelLanguage
import Simulator
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The simulated machine as a device.
///
/// Nothing runs by itself: enqueued work runs, all streams side by side, while a call to `synchronize` is waiting. So
/// enqueue everything that kernels wait for before synchronising; other calls wait until the synchronisation is over.
/// What the machine finds (races with unwritten memory, accesses out of bounds, deadlocks) is thrown there, and the
/// device runs no more work after it.
///
/// Memory released while work is under way is freed when all of it has completed. While a thread captures a stream it
/// may do no more than with a GPU.
public final class SimulatedDevice: Device, @unchecked Sendable {
    // Sendable: everything that changes is only touched under `lock`.

    /// See ``Device/properties``.
    public let properties: DeviceProperties
    /// What is simulated.
    public let configuration: SimulatorConfiguration
    private let lock = Mutex(())

    let machine: SimulatedMachine
    /// What is done to a kernel before it is loaded.
    let rewrite: @Sendable (Kernel) -> Kernel
    var streams = HandleTable<SimulatedStreamEntry>(.stream)
    var events = HandleTable<SimulatedEvent>(.event)
    var kernels = HandleTable<Program>(.kernel)
    var graphs = HandleTable<SimulatedGraph>(.graph)
    var loaded: [Kernel: LoadedKernel] = [:]
    /// Kernels that have been launched, directly or by a graph.
    var launched: [KernelDigest: Kernel] = [:]
    var allocations = AllocationTable<UInt64>()
    /// The captures under way, by the thread that captures.
    var captures: [UInt: SimulatedCapture] = [:]
    /// Streams with work that has not been waited for.
    var busyStreams: Set<Int> = []
    /// Allocations released while streams were busy.
    var released: [UInt64] = []

    /// A machine of this configuration.
    ///
    /// - Parameter rewrite: What is done to every kernel before it is loaded, to see what planted faults do; nothing unless
    ///   said otherwise. Parameters, threads and shared memory must stay as they are.
    public init(
        configuration: SimulatorConfiguration, rewriting rewrite: @escaping @Sendable (Kernel) -> Kernel = { $0 }
    ) {
        self.configuration = configuration
        self.rewrite = rewrite
        self.machine = SimulatedMachine(configuration)
        let blockOverhead = 1024
        let pages = sysconf(Int32(_SC_PHYS_PAGES))
        let pageBytes = sysconf(Int32(_SC_PAGESIZE))
        self.properties = DeviceProperties(
            kind: .simulator, name: "simulated machine, seed \(configuration.seed)",
            multiprocessors: configuration.multiprocessors,
            sharedBytesPerBlock: min(
                Kernel.maximumSharedBytes, max(configuration.sharedBytesPerMultiprocessor - blockOverhead, 0)),
            memoryBytes: max(pages, 0) * max(pageBytes, 0), l2Bytes: 0, memoryBytesPerSecond: nil)
    }

    /// A machine like an H200 but for the number of its multiprocessors, with the schedule of `seed`.
    public convenience init(seed: UInt64 = 0, multiprocessors: Int = 132) {
        self.init(configuration: SimulatorConfiguration(multiprocessors: multiprocessors, seed: seed))
    }

    /// Simulated nanoseconds since the machine started.
    public var clock: UInt64 { lock.withLock { _ in machine.clock } }

    /// What the machine has done so far.
    public var statistics: SimulatorStatistics { lock.withLock { _ in machine.statistics } }

    /// The kernels launched so far, in the order of their names.
    public var launchedKernels: [Kernel] {
        lock.withLock { _ in launched.sorted { ($0.value.name, $0.key) < ($1.value.name, $1.key) }.map(\.value) }
    }

    /// With a schedule in the configuration, the machine's decisions so far.
    public var scheduleRecord: ScheduleRecord? { lock.withLock { _ in machine.scheduleRecord } }

    /// Runs `body` alone, and wraps the machine's errors as the device's.
    func exclusively<Result: Sendable>(_ body: () throws -> Result) throws -> Result {
        do {
            return try lock.withLock { _ in try body() }
        } catch let error as SimulationError {
            throw DeviceError.simulation(error)
        }
    }

    /// Throws `DeviceError.capture` while this thread captures a stream. Call under the lock.
    func refuseDuringCapture(to operation: @autoclosure () -> String) throws {
        guard captures.isEmpty || captures[currentThread()] == nil else {
            throw DeviceError.capture(.operation(operation()))
        }
    }
}

/// A stream of the machine, with its label.
struct SimulatedStreamEntry {
    let stream: StreamID
    let label: String
    let rank: Int
}

/// An event of the machine, and where it was recorded last.
struct SimulatedEvent {
    let event: EventID
    var state: State

    enum State {
        case new
        /// On a stream of the machine.
        case recorded(Reading)
        /// In a capture, which may have ended.
        case captured(SimulatedCapture)
    }

    /// The machine's clock when the stream got there, nil before. Each record makes its own.
    final class Reading {
        var time: UInt64?
    }
}
