import CUDADriver
import KernelLanguage
import Synchronization

/// A GPU, through the CUDA driver and its primary context: it can use memory and streams of CUDA's runtime and of
/// engines built on that, and they can use its own.
///
/// Kernels are printed as PTX and compiled by the driver when they are loaded. While a thread captures a stream, it may
/// not allocate, copy at once, load kernels that are not loaded yet, or wait; objects released meanwhile are freed
/// after the capture. Freeing buffers waits until the GPU has finished its work, so release them only when no kernel
/// spins for something that this thread has yet to launch. Kernels are unloaded when the device is synchronised, which
/// the device does itself when many are to be unloaded.
public final class CUDADevice: Device {
    /// See ``Device/properties``.
    public let properties: DeviceProperties
    /// The context on the GPU.
    package let context: Context
    let tables: Mutex<CUDATables>
    /// The number of captures under way: while it is 0, launches need not look at the tables.
    let captures = Atomic<Int>(0)
    /// Held while a kernel is compiled, so that two threads do not compile the same one.
    let loading = Mutex(())
    /// Links kernels with a network engine; nil where there is none.
    let networkLinker = Mutex<(any NetworkLinker)?>(nil)

    /// The shares of the L2.
    let l2Shares: Mutex<L2Shares>

    /// Opens GPU `ordinal`, counted from 0.
    ///
    /// - Parameters:
    ///   - ordinal: The GPU's number in this process.
    ///   - setAsideL2Bytes: Bytes of the L2 that are set aside from now on, for all work of the process on this GPU.
    ///     When nil, as many as callers of ``Device/keepInL2(bytes:)``, such as layers, ask for, and never fewer than
    ///     drivers set aside by themselves, three sixteenths. The hardware sets aside sixteenths.
    /// - Throws: `DeviceError.driver` when there is no driver, no such GPU, or one that cannot run `sm_90a` code, and
    ///   for negative `setAsideL2Bytes`.
    public init(ordinal: Int = 0, setAsideL2Bytes: Int? = nil) throws {
        let context = try driverCall { try Context(device: ordinal) }
        let found = try driverCall { try setAsideL2Bytes.map(context.setAsideL2) ?? context.setAsideL2Bytes() }
        self.context = context
        self.properties = DeviceProperties(
            kind: .cuda, uniqueID: context.uniqueID, sharesContexts: context.sharesContexts, name: context.name,
            multiprocessors: context.multiprocessorCount,
            sharedBytesPerBlock: context.maxSharedBytesPerBlock, memoryBytes: context.totalMemoryBytes,
            l2Bytes: context.l2Bytes, memoryBytesPerSecond: context.memoryBytesPerSecond)
        self.l2Shares = Mutex(L2Shares(fixed: setAsideL2Bytes, found: found))
        self.tables = Mutex(CUDATables())
    }

    /// The CUDA version of the driver, such as `13.0`.
    public var driverVersion: String { Driver.versionText(context.driver.version) }

    /// The number of GPUs that this process sees.
    ///
    /// - Throws: `DeviceError.driver` when there is no driver or no GPU.
    public static func count() throws -> Int { try driverCall { try Driver.load().deviceCount() } }

    deinit {
        // Work under way may still use objects without references.
        try? settle()
    }

    /// Throws `DeviceError.capture` while this thread captures a stream.
    func refuseDuringCapture(to operation: @autoclosure () -> String) throws {
        guard isCapturing else { return }
        let capturing = tables.withLock { $0.captures[currentThread()] != nil }
        if capturing { throw DeviceError.capture(.operation(operation())) }
    }

    /// Whether any thread captures a stream.
    @inline(__always)
    var isCapturing: Bool { captures.load(ordering: .relaxed) > 0 }
}

/// The shared state of a GPU's handles and captures.
struct CUDATables {
    /// Kernels with handles.
    var loaded: [KernelDigest: CUDAKernel.Entry] = [:]
    /// Streams with handles, by their handles' numbers.
    var streams: [Int: CUDADriver.Stream] = [:]
    var tensorMaps: [KernelLanguage.TensorMap: [UInt8]] = [:]
    /// The capture of each capturing thread.
    var captures: [UInt: CUDACapture] = [:]
    var retired = CUDARetired()
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
