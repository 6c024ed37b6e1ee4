/// One GPU, and this process's primary context on it.
///
/// Everything else in this module belongs to a context and keeps it alive. Two contexts made for one ordinal share the
/// GPU's single primary context, so addresses and streams of one are valid in the other; so are those of CUDA's
/// runtime, and of engines that use it. The context is current on a thread only while a call of this module needs it;
/// each call restores the thread's own.
package final class Context: @unchecked Sendable {
    // Sendable: all properties are constants, and the driver accepts a context from any thread.

    /// The driver.
    package let driver: Driver
    /// The GPU's number in this process, from 0.
    package let ordinal: Int
    /// The GPU's name, for instance `NVIDIA H200`.
    package let name: String
    /// The GPU's UUID, as 32 hexadecimal digits.
    package let uniqueID: String
    /// Whether this process runs under the Multi-Process Service, so that its kernels run beside those of others.
    package let sharesContexts: Bool
    /// The compute capability; always 9.0.
    package let computeCapability: (major: Int, minor: Int)
    /// The number of streaming multiprocessors.
    package let multiprocessorCount: Int
    /// The size of the L2 cache in bytes.
    package let l2Bytes: Int
    /// Peak bandwidth of the memory in bytes per second, by its clock and width; nil where the driver does not tell.
    package let memoryBytesPerSecond: Int?
    /// The most of the L2 cache in bytes that can be set aside with `setAsideL2`; 0 where nothing can.
    package let maxSetAsideL2Bytes: Int
    /// The size of the GPU's memory in bytes.
    package let totalMemoryBytes: Int
    /// The most shared memory in bytes that one block can have, static and dynamic together, when its function opted
    /// in with `Function.setMaxDynamicSharedBytes`.
    package let maxSharedBytesPerBlock: Int
    /// The most threads in a block.
    package let maxThreadsPerBlock: Int
    /// The stream priorities, the most urgent (lowest number) first.
    package let streamPriorities: ClosedRange<Int>

    let device: Int32
    private let handle: UnsafeMutableRawPointer

    /// Retains the primary context of GPU `ordinal`.
    ///
    /// Throws what `Driver.load` throws, `DriverError.noSuchDevice` for an ordinal outside `0 ..< deviceCount`, and
    /// `.unsupportedDevice` unless the compute capability is exactly 9.0, which `sm_90a` code demands.
    package init(device ordinal: Int = 0) throws {
        let driver = try Driver.load()
        let count = try driver.deviceCount()
        guard ordinal >= 0, ordinal < count else { throw DriverError.noSuchDevice(ordinal: ordinal, count: count) }

        var device: Int32 = 0
        try driver.call("cuDeviceGet", "looking for GPU \(ordinal)") { $0.cuDeviceGet(&device, Int32(ordinal)) }
        let found = device
        func attribute(_ number: Int32, _ meaning: String) throws -> Int {
            var value: Int32 = 0
            try driver.call("cuDeviceGetAttribute", "asking GPU \(ordinal) for its \(meaning)") {
                $0.cuDeviceGetAttribute(&value, number, found)
            }
            return Int(value)
        }

        let name = try driver.name(of: found, ordinal: ordinal)
        let major = try attribute(75, "compute capability")
        let minor = try attribute(76, "compute capability")
        guard major == 9, minor == 0 else {
            throw DriverError.unsupportedDevice(ordinal: ordinal, name: name, major: major, minor: minor)
        }
        var totalMemoryBytes = 0
        try driver.call("cuDeviceTotalMem_v2", "asking GPU \(ordinal) for the size of its memory") {
            $0.cuDeviceTotalMem(&totalMemoryBytes, found)
        }
        self.driver = driver
        self.ordinal = ordinal
        self.device = found
        self.name = name
        self.uniqueID = try driver.uniqueID(of: found)
        // Older drivers do not know the attribute.
        self.sharesContexts = (try? attribute(DeviceAttribute.multiProcessService.rawValue, "sharing")) == 1
        self.computeCapability = (major, minor)
        self.totalMemoryBytes = totalMemoryBytes
        self.multiprocessorCount = try attribute(16, "number of multiprocessors")
        self.l2Bytes = try attribute(38, "L2 cache size")
        // Two transfers of the memory's width in bits at each tick of a clock in kilohertz.
        let rate = try 2 * attribute(36, "memory clock") * 1000 * attribute(37, "memory width") / 8
        self.memoryBytesPerSecond = rate > 0 ? rate : nil
        self.maxSetAsideL2Bytes = try attribute(108, "largest part of the L2 cache that can be set aside")
        self.maxSharedBytesPerBlock = try attribute(97, "largest shared memory of a block")
        self.maxThreadsPerBlock = try attribute(1, "largest block")

        var handle: UnsafeMutableRawPointer?
        try driver.call("cuDevicePrimaryCtxRetain", "retaining the context of GPU \(ordinal)") {
            $0.cuDevicePrimaryCtxRetain(&handle, found)
        }
        guard let handle else {
            throw DriverError.callFailed(
                driver.failure(201, "cuDevicePrimaryCtxRetain", "retaining the context of GPU \(ordinal)"))
        }
        self.handle = handle

        do {
            var least: Int32 = 0
            var greatest: Int32 = 0
            try whileCurrent(handle, driver, ordinal: found) {
                try driver.call("cuCtxGetStreamPriorityRange", "asking GPU \(ordinal) for its stream priorities") {
                    $0.cuCtxGetStreamPriorityRange(&least, &greatest)
                }
            }
            self.streamPriorities = Int(min(least, greatest))...Int(max(least, greatest))
        } catch {
            // The object is incomplete here, so deinit will not run.
            _ = driver.functions.cuDevicePrimaryCtxRelease(found)
            throw error
        }
    }

    deinit {
        _ = driver.functions.cuDevicePrimaryCtxRelease(device)
    }

    /// Waits until the GPU has finished all work of this context. Throws `DriverError.callFailed`, also for errors of
    /// kernels launched earlier.
    package func synchronize() throws {
        try call("cuCtxSynchronize", "waiting for GPU \(ordinal)") { $0.cuCtxSynchronize() }
    }

    /// The GPU's free memory in bytes at this moment, all processes considered. Throws `DriverError.callFailed`.
    package func freeMemoryBytes() throws -> Int {
        var free = 0
        var total = 0
        try call("cuMemGetInfo_v2", "asking GPU \(ordinal) for its free memory") { $0.cuMemGetInfo(&free, &total) }
        return free
    }

    /// Sets a part of the L2 cache aside for lines that were last accessed with the hint to keep them (`evict_last`),
    /// which other accesses then use only where it holds no such lines. It holds for all work of the process on this
    /// GPU.
    ///
    /// The driver rounds up to what the hardware has. Where it does not allow a change, as with the Multi-Process
    /// Service or in a partition of a GPU, nothing is changed.
    ///
    /// - Parameter bytes: At least 0; more than `maxSetAsideL2Bytes` counts as that many.
    /// - Returns: The bytes that are set aside now.
    /// - Throws: `DriverError.invalidArgument` for negative `bytes`, `.callFailed`.
    package func setAsideL2(bytes: Int) throws -> Int {
        guard bytes >= 0 else {
            throw DriverError.invalidArgument(
                "\(bytes) bytes of the L2 cache cannot be set aside; choose 0 to \(maxSetAsideL2Bytes).")
        }
        let wanted = min(bytes, maxSetAsideL2Bytes)
        _ = try query(
            "cuCtxSetLimit", "setting \(wanted) bytes of the L2 cache of GPU \(ordinal) aside",
            no: ResultCode.withoutLimit
        ) { $0.cuCtxSetLimit(Self.persistingL2CacheSize, wanted) }
        return try setAsideL2Bytes()
    }

    /// The bytes of the L2 cache that are set aside; 0 where the driver does not have the limit. Throws
    /// `DriverError.callFailed`.
    package func setAsideL2Bytes() throws -> Int {
        var bytes = 0
        let known = try query(
            "cuCtxGetLimit", "asking GPU \(ordinal) how much of its L2 cache is set aside", no: ResultCode.withoutLimit
        ) { $0.cuCtxGetLimit(&bytes, Self.persistingL2CacheSize) }
        return known ? bytes : 0
    }

    /// `CU_LIMIT_PERSISTING_L2_CACHE_SIZE`
    private static let persistingL2CacheSize: UInt32 = 6

    /// Calls `body` with this context current, for libraries that work with the current one.
    package func makingCurrent<Result>(_ body: () throws -> Result) throws -> Result {
        try whileCurrent(handle, driver, ordinal: device, body)
    }

    /// Whether the driver's context `other` is this one.
    func isContext(_ other: UnsafeMutableRawPointer?) -> Bool { other == handle }

    /// Calls a function of the driver with this context current, and throws `DriverError.callFailed` unless it
    /// succeeds.
    package func call(
        _ function: String, _ activity: @autoclosure () -> String, _ body: (DriverFunctions) -> Int32
    ) throws {
        try whileCurrent(handle, driver, ordinal: device) { try driver.call(function, activity(), body) }
    }

    /// Like `call`, for questions: false when the driver answers with a code that means no, usually "not ready yet".
    func query(
        _ function: String, _ activity: @autoclosure () -> String, no: Set<Int32> = ResultCode.notReady,
        _ body: (DriverFunctions) -> Int32
    ) throws -> Bool {
        let code = try whileCurrent(handle, driver, ordinal: device) { body(driver.functions) }
        if no.contains(code) { return false }
        try driver.call(function, activity()) { _ in code }
        return true
    }

    /// Like `call`, for creating things: returns the handle that the driver wrote.
    func create(
        _ function: String, _ activity: @autoclosure () -> String,
        _ body: (DriverFunctions, UnsafeMutablePointer<UnsafeMutableRawPointer?>) -> Int32
    ) throws -> UnsafeMutableRawPointer {
        var handle: UnsafeMutableRawPointer?
        try call(function, activity()) { body($0, &handle) }
        guard let handle else {
            throw DriverError.callFailed(
                CallFailure(
                    function: function, code: -1, name: "no error", explanation: "the driver returned an empty handle",
                    activity: activity()))
        }
        return handle
    }

    /// For `deinit`: frees something, and ignores errors, which no caller could receive.
    func release(_ body: (DriverFunctions) -> Int32) {
        try? whileCurrent(handle, driver, ordinal: device) { _ = body(driver.functions) }
    }
}

/// Calls `body` with a context current on the calling thread, and leaves the thread with the one that it had. Throws
/// `DriverError.callFailed`, and what `body` throws.
@inline(__always)
private func whileCurrent<Result>(
    _ context: UnsafeMutableRawPointer, _ driver: Driver, ordinal: Int32, _ body: () throws -> Result
) throws -> Result {
    var own: UnsafeMutableRawPointer?
    // In a process with one GPU the current context mostly is this one, and asking costs less than changing it.
    if driver.functions.cuCtxGetCurrent(&own) == ResultCode.success, own == context { return try body() }
    try driver.call("cuCtxPushCurrent_v2", "making GPU \(ordinal) current") { $0.cuCtxPushCurrent(context) }
    defer {
        var popped: UnsafeMutableRawPointer?
        _ = driver.functions.cuCtxPopCurrent(&popped)
    }
    return try body()
}
