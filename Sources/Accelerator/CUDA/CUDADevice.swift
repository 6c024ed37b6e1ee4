import CUDADriver
import KernelLanguage
import Synchronization

/// A GPU, through the CUDA driver.
///
/// Kernels are printed as PTX, compiled by the driver when they are loaded, and kept as long as the device; so are
/// streams, events and graphs. While a thread captures a stream, it may not allocate, copy at once, load kernels that
/// are not loaded yet, or wait; buffers released meanwhile are freed after the capture.
public final class CUDADevice: Device {
    /// See ``Device/properties``.
    public let properties: DeviceProperties
    /// The context on the GPU.
    package let context: Context
    let tables: Mutex<CUDATables>
    /// Held while a kernel is compiled, so that two threads do not compile the same one.
    let loading = Mutex(())

    /// What is wanted of the L2.
    let l2Shares: Mutex<L2Shares>

    /// Opens GPU `ordinal`, counted from 0.
    ///
    /// - Parameters:
    ///   - ordinal: The GPU's number in this process.
    ///   - setAsideL2Bytes: How much of the L2 is set aside from now on, for all work of the process on this GPU. When nil, as much
    ///     as those ask for who call ``Device/keepInL2(bytes:)``, such as layers, and never less than drivers set aside by
    ///     themselves, three sixteenths. The hardware has sixteenths.
    /// - Throws: `DeviceError.driver` when there is no driver, no such GPU, or one that cannot run `sm_90a` code, and for
    ///   negative `setAsideL2Bytes`.
    public init(ordinal: Int = 0, setAsideL2Bytes: Int? = nil) throws {
        let context = try driverCall { try Context(device: ordinal) }
        let found = try driverCall { try setAsideL2Bytes.map(context.setAsideL2) ?? context.setAsideL2Bytes() }
        self.context = context
        self.properties = DeviceProperties(
            kind: .cuda, name: context.name, multiprocessors: context.multiprocessorCount,
            sharedBytesPerBlock: context.maxSharedBytesPerBlock, memoryBytes: context.totalMemoryBytes,
            l2Bytes: context.l2Bytes, memoryBytesPerSecond: context.memoryBytesPerSecond)
        self.l2Shares = Mutex(L2Shares(fixed: setAsideL2Bytes, found: found))
        self.tables = Mutex(CUDATables())
    }

    /// The device's stream `handle`. Throws `DeviceError.unknownHandle`.
    func find(_ handle: DeviceStream) throws -> Stream { try tables.withLock { try $0.streams.find(handle.id) } }

    /// Throws `DeviceError.capture` while this thread captures a stream.
    func refuseDuringCapture(to operation: String) throws {
        let capturing = tables.withLock { $0.captures[currentThread()] != nil }
        if capturing { throw DeviceError.capture(.operation(operation)) }
    }
}

/// What a GPU's handles stand for, and what is under way.
struct CUDATables {
    var streams = HandleTable<Stream>(.stream)
    var events = HandleTable<CUDAEvent>(.event)
    var kernels = HandleTable<Function>(.kernel)
    var graphs = HandleTable<GraphExec>(.graph)
    var loaded: [Kernel: LoadedKernel] = [:]
    var allocations = AllocationTable<DeviceMemory>()
    var tensorMaps: [KernelLanguage.TensorMap: [UInt8]] = [:]
    /// The stream that each capturing thread captures.
    var captures: [UInt: Int] = [:]
    /// Memory released during a capture, when it cannot be freed.
    var released: [DeviceMemory] = []
}

/// An event, and where it was recorded last.
struct CUDAEvent: Sendable {
    let event: Event
    var state: State

    enum State: Sendable {
        case new, recorded, captured
    }
}

/// Runs `body`, and wraps the driver's errors as the device's.
func driverCall<Result>(_ body: () throws -> Result) throws -> Result {
    do {
        return try body()
    } catch let error as DriverError {
        throw DeviceError.driver(error)
    } catch let error as TensorMapError {
        throw DeviceError.driver(.invalidArgument(error.description))
    }
}
