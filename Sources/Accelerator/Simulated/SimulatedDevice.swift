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
/// It throws the errors that the machine finds (races with unwritten memory, accesses out of bounds, deadlocks), after
/// which the device runs no more work.
///
/// Memory released while work is under way is freed when all of it has completed. While a thread captures a stream, it
/// is refused the same calls as with a GPU.
public final class SimulatedDevice: Device, @unchecked Sendable {
    // Sendable: everything that changes is only touched under `lock`.

    /// See ``Device/properties``.
    public let properties: DeviceProperties
    /// The configuration of the simulated machine.
    public let configuration: SimulatorConfiguration
    private let lock = Mutex(())
    private let isLocked = Atomic(false)

    let machine: SimulatedMachine
    /// Changes every kernel before it is loaded.
    let rewrite: @Sendable (Kernel) -> Kernel
    /// Kernels with handles.
    var loaded: [Kernel: SimulatedKernel.Entry] = [:]
    /// Streams with handles, by the number by which they are adopted.
    var streams: [UInt: SimulatedStream.Entry] = [:]
    /// Default streams, which are never made or freed by callers.
    var defaultStreams: [SimulatedStream.Default: SimulatedStream] = [:]
    /// Kernels that have been launched, directly or by a graph.
    var launched: [KernelDigest: Kernel] = [:]
    /// Memory of the host that has been adopted.
    var hostRegions: [HostRegion] = []
    /// Files of shared memory that are mapped.
    var sharedFiles: [FileIdentity: SharedUse] = [:]
    /// The captures under way, by the thread that captures.
    var captures: [UInt: SimulatedCapture] = [:]
    /// Streams with work that has not been waited for.
    var busyStreams: Set<StreamID> = []
    /// Objects released since the lock was taken last.
    let released = Mutex<[SimulatedRelease]>([])
    /// Objects released while work was under way.
    var retired = SimulatedRetired()

    /// A machine of this configuration.
    ///
    /// - Parameters:
    ///   - configuration: Multiprocessors, seed and schedule of the machine.
    ///   - rewrite: Changes every kernel before it is loaded, to test planted faults. Parameters, threads and shared
    ///     memory must stay as they are.
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
            kind: .simulator, uniqueID: Self.uniqueID, sharesContexts: false,
            name: "simulated machine, seed \(configuration.seed)",
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
    public var clock: UInt64 { locked { machine.clock } }

    /// From now on the machine follows the host's clock, as it must where other processes write to its memory while it
    /// runs. Nothing may be under way.
    package func followHostClock() { locked { machine.followHost() } }

    /// Statistics of the machine's work so far.
    public var statistics: SimulatorStatistics { locked { machine.statistics } }

    /// The kernels launched so far, in the order of their names.
    public var launchedKernels: [Kernel] {
        locked { launched.sorted { ($0.value.name, $0.key) < ($1.value.name, $1.key) }.map(\.value) }
    }

    /// With a schedule in the configuration, the machine's decisions so far.
    public var scheduleRecord: ScheduleRecord? { locked { machine.scheduleRecord } }

    /// With a schedule in the configuration: for each kernel that was launched, whether some thread has come to an
    /// operation, by the operations' numbers as `Mutation.number` counts them.
    public var reachedOperations: [KernelDigest: [Bool]] {
        let reached = locked { machine.reachedOperations }
        return Dictionary(reached.map { ($0.kernel.digest, $0.isReached) }) { first, second in
            zip(first, second).map { $0 || $1 }
        }
    }

    /// The objects that the device has now: those with references, and those that work under way still needs.
    public var inventory: SimulatedInventory {
        locked { SimulatedInventory(machine: machine.inventory, kernels: loaded.count) }
    }

    /// Runs `body` under the lock, and wraps the machine's errors as the device's.
    func exclusively<Result: Sendable>(_ body: () throws -> Result) throws -> Result {
        do {
            return try locked(body)
        } catch let error as SimulationError {
            throw DeviceError.simulation(error)
        }
    }

    /// Runs `body` under the lock, and frees released objects before and after it.
    private func locked<Result: Sendable, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var owners: [@Sendable () -> Void] = []
        // Not under the lock: owners of adopted memory may call the device.
        defer { for owner in owners { owner() } }
        return try lock.withLock { _ throws(Failure) -> Result in
            isLocked.store(true, ordering: .relaxed)
            owners = freeReleased()
            defer {
                owners += freeReleased()
                isLocked.store(false, ordering: .relaxed)
            }
            return try body()
        }
    }

    /// Called when the last reference to something goes, which may happen under the lock: then the holder of the lock
    /// frees it.
    func release(_ objects: [SimulatedRelease]) {
        released.withLock { $0 += objects }
        if !isLocked.load(ordering: .relaxed) { locked {} }
    }

    /// Throws `DeviceError.capture` while this thread captures a stream. Call under the lock.
    func refuseDuringCapture(to operation: @autoclosure () -> String) throws {
        guard captures.isEmpty || captures[currentThread()] == nil else {
            throw DeviceError.capture(.operation(operation()))
        }
    }
}

/// The objects of a simulated device at a moment, to check that released ones are gone.
public struct SimulatedInventory: Hashable, Sendable {
    /// Allocations, streams and events, those of graphs included.
    public var machine: SimulatorInventory
    /// Kernels that are loaded.
    public var kernels: Int
}
