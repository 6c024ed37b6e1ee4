import KernelLanguage

/// A device that runs kernels: a GPU through the CUDA driver, or the simulator. Both offer the same interface and the
/// same ordering rules: work on one stream runs in order, work on different streams side by side.
///
/// Handles (`DeviceBuffer`, `DeviceStream`, `LoadedKernel`, …) are objects whose resources are freed with the last
/// reference, also while work is under way. They belong to the device that made them, which lives as long as they do,
/// and others refuse them (`DeviceError.unknownHandle`, `.foreignBuffer`). All functions may be called from any thread.
/// While a thread captures a stream, calls that can neither run at once nor be recorded are refused
/// (`DeviceError.capture`).
public protocol Device: AnyObject, Sendable {
    /// The device's kind, name and sizes.
    var properties: DeviceProperties { get }

    /// Allocates `bytes` of device memory, aligned to at least 256; content undefined. Freed with the buffer's last
    /// reference.
    ///
    /// - Throws: `DeviceError.allocation` for less than 1 byte; `.driver` or `.systemCall` when memory runs out.
    func allocate(bytes: Int, label: String) throws -> DeviceBuffer

    /// Uses memory of the device that was allocated elsewhere, such as an engine's tensor, without a copy.
    ///
    /// - Parameters:
    ///   - address: The first byte, as kernels see it.
    ///   - bytes: Size, at least 1; it may be a part of an allocation.
    ///   - label: The memory's purpose, as errors name it.
    ///   - whenReleased: Called once when the buffer's last reference has gone, on any thread; it may hold the owner of
    ///     the memory, which must stay allocated until then. Not called when this throws. On a GPU kernels may still be
    ///     using the memory, as a stream-ordered free allows; in the simulator none does.
    /// - Throws: `DeviceError.notDeviceMemory` unless all bytes are memory of this device; with a GPU
    ///   `DeviceError.driver` with `DriverError.memoryOfOtherDevice` or `.outOfBounds`; `DeviceError.allocation` for
    ///   less than 1 byte.
    func adopt(
        address: UInt64, bytes: Int, label: String, whenReleased: @escaping @Sendable () -> Void
    ) throws -> DeviceBuffer

    /// Allocates `bytes` of device memory that other processes can open by a handle of ``export(_:)``; content
    /// undefined.
    ///
    /// - Parameters:
    ///   - bytes: Size, at least 1.
    ///   - label: Names the memory in errors.
    ///   - reach: Where those processes are.
    /// - Throws: `DeviceError.allocation` for less than 1 byte; `.driver` or `.systemCall` when memory runs out.
    func allocateShareable(bytes: Int, label: String, across reach: SharingReach) throws -> DeviceBuffer

    /// A handle by which other processes, or this one once more, open the memory of `buffer`. The memory lives as long
    /// as any process has it open.
    ///
    /// - Throws: `DeviceError.notShareable` unless `buffer` is the whole of a buffer that `allocateShareable` of this
    ///   device returned; `.driver` or `.systemCall` when there can be no further handle.
    func export(_ buffer: DeviceBuffer) throws -> SharedMemoryHandle

    /// Maps memory that another process, or this one, has exported, at an address of its own. It is unmapped after the
    /// last reference to the buffer has gone; the exporter's memory stays.
    ///
    /// - Parameters:
    ///   - handle: The handle that `export` returned there. A descriptor stays the caller's.
    ///   - bytes: The size that was allocated.
    ///   - label: The memory's purpose, as errors name it.
    /// - Throws: `DeviceError.handleKind` for a handle that this kind of device does not take, `.sharedSize` for more
    ///   bytes than there are as far as the device can tell, `.allocation` for less than 1, `.driver`, `.systemCall`.
    func open(_ handle: SharedMemoryHandle, bytes: Int, label: String) throws -> DeviceBuffer

    /// Whether kernels of this device can load from and store to memory of the device with this
    /// ``DeviceProperties/uniqueID``; of itself it can. A GPU that this process does not see cannot be reached.
    func canReach(uniqueID: String) throws -> Bool

    /// Copies host memory into `buffer` at `offset`, at once: call it while no kernel uses those bytes.
    ///
    /// - Throws: `DeviceError.bufferRange` for bytes outside of the buffer.
    func write(_ source: UnsafeRawBufferPointer, to buffer: DeviceBuffer, offset: Int) throws

    /// Copies device memory to the host, at once: call it after synchronising with what writes those bytes.
    ///
    /// - Throws: `DeviceError.bufferRange` for bytes outside of the buffer.
    func read(_ buffer: DeviceBuffer, offset: Int, into destination: UnsafeMutableRawBufferPointer) throws

    /// Sets all bytes of `buffer` to `value`, in the order of `stream`.
    func fill(_ buffer: DeviceBuffer, with value: UInt8, on stream: DeviceStream) throws

    /// Copies `bytes` between buffers, in the order of `stream`.
    ///
    /// - Throws: `DeviceError.bufferRange` for bytes outside of a buffer.
    func copy(
        from source: DeviceBuffer, offset: Int, to destination: DeviceBuffer, offset: Int, bytes: Int,
        on stream: DeviceStream) throws

    /// Memory of the host, zero at first, for `copy(from:offset:to:on:)`: a multiple of 8 bytes, at least 8.
    ///
    /// - Throws: `DeviceError.allocation` for another number of bytes.
    func makeHostMemory(bytes: Int) throws -> HostMemory

    /// Copies from `buffer` at `offset` to the host, as many bytes as there is room for, in the order of `stream` and
    /// without waiting. A GPU refuses it on a stream that is being captured.
    ///
    /// - Throws: `DeviceError.foreignHostMemory`, `.bufferRange`.
    func copy(from buffer: DeviceBuffer, offset: Int, to memory: HostMemory, on stream: DeviceStream) throws

    /// A new stream for the work of a rank. Ranks that share a device must order their accesses as ranks on devices of
    /// their own do; the simulator's judge checks that.
    func makeStream(label: String, rank: Int) throws -> DeviceStream

    /// Uses a stream made elsewhere, such as an engine's, so that the device's work is in order with the work on it.
    ///
    /// - Parameters:
    ///   - handle: On a GPU a `CUstream`, or `cudaStream_t`, of its primary context as a number, which must live as
    ///     long as the result; in the simulator ``DeviceStream/handle`` of one of the device's own. 0 and 1 are the
    ///     legacy default stream, 2 is the default stream of the calling thread; the simulator has them too, for each
    ///     rank.
    ///   - label: For diagnostics.
    ///   - rank: As for ``makeStream(label:rank:)``; a stream of the device itself keeps its own.
    /// - Throws: `DeviceError.foreignStream` for one that is none of this device's. A GPU's driver cannot recognise a
    ///   number that is no stream at all.
    func adopt(stream handle: UInt, label: String, rank: Int) throws -> DeviceStream

    /// A new event.
    func makeEvent() throws -> DeviceEvent

    /// Marks the point that `stream` has reached.
    func record(_ event: DeviceEvent, on stream: DeviceStream) throws

    /// Later work of `stream` starts after the point that `event` marked last.
    ///
    /// - Throws: `DeviceError.capture` for an event from outside of the capture that the stream takes part in.
    func wait(for event: DeviceEvent, on stream: DeviceStream) throws

    /// Nanoseconds between two events that have completed.
    ///
    /// - Throws: `DeviceError.eventNotRecorded`, `.eventNotComplete`.
    func nanoseconds(from start: DeviceEvent, to end: DeviceEvent) throws -> Double

    /// Prepares a kernel for launching. While the result is alive, the same kernel is not prepared again.
    ///
    /// - Throws: `DeviceError.kernel` for a kernel that fails verification, `.sharedMemory`, `.noNetworkAdapter`.
    func load(_ kernel: Kernel) throws -> LoadedKernel

    /// Launches a kernel after the earlier work of a stream.
    ///
    /// - Parameters:
    ///   - kernel: Loaded on this device.
    ///   - blocks: Thread blocks of the grid.
    ///   - arguments: One for each parameter of the kernel, in order.
    ///   - dependentLaunch: Start before the stream's previous kernel has ended, once all its blocks have called
    ///     `launchDependents`; the kernel itself then waits with `waitForPrerequisites`.
    ///   - stream: A stream of this device.
    /// - Throws: `DeviceError.blockCount`, `.clusterSize`, `.argumentCount`, `.argumentKind`, `.tensorMap`,
    ///   `.tensorMapElement`; nothing is enqueued then.
    func launch(
        _ kernel: LoadedKernel, blocks: Int, arguments: [KernelArgument], dependentLaunch: Bool, on stream: DeviceStream
    ) throws

    /// Records what `body` enqueues, on `stream` and on streams joined to it by events, instead of running it. The
    /// legacy default stream cannot be captured.
    ///
    /// - Throws: `DeviceError.capture` for a stream that cannot be captured, or streams that have not been joined to it
    ///   at the end; the errors of `body`.
    func capture(on stream: DeviceStream, _ body: () throws -> Void) throws -> DeviceGraph

    /// Whether `stream` is being captured, by this device or by other code of the process. Meanwhile no memory may be
    /// allocated.
    func isCapturing(_ stream: DeviceStream) throws -> Bool

    /// Runs a captured graph, in the order of `stream`.
    func replay(_ graph: DeviceGraph, on stream: DeviceStream) throws

    /// Waits until everything enqueued on `stream` has completed.
    ///
    /// - Throws: `DeviceError.driver` or `.simulation` for errors of kernels.
    func synchronize(_ stream: DeviceStream) throws

    /// Waits until everything enqueued on the device has completed.
    ///
    /// - Throws: `DeviceError.driver` or `.simulation` for errors of kernels.
    func synchronize() throws

    /// Sets a part of the L2 aside, as long as the result lives, for `bytes` that kernels hand on to each other with
    /// the hint to keep them there (`CacheHint.evictLast`): lines that fit never go to memory, as they are overwritten
    /// in the cache. It is set aside for all work of the process on this device. Throws `DeviceError.keptBytes` for
    /// less than 0 bytes.
    func keepInL2(bytes: Int) throws -> L2Share

    /// The number of blocks of the kernel that one multiprocessor can hold at once.
    func blocksPerMultiprocessor(_ kernel: LoadedKernel) throws -> Int
}

extension Device {
    /// Allocates memory that other processes of this machine can open.
    public func allocateShareable(bytes: Int, label: String) throws -> DeviceBuffer {
        try allocateShareable(bytes: bytes, label: label, across: .machine)
    }

    /// A new stream for the work of the only rank.
    public func makeStream(label: String) throws -> DeviceStream { try makeStream(label: label, rank: 0) }

    /// Uses a stream made elsewhere for the work of the only rank.
    public func adopt(stream handle: UInt, label: String) throws -> DeviceStream {
        try adopt(stream: handle, label: label, rank: 0)
    }
}
