import KernelLanguage

/// A device that runs kernels: a GPU through the CUDA driver, or the simulator. Both offer the same interface and the
/// same ordering rules: work on one stream runs in order, work on different streams side by side.
///
/// Handles (`DeviceStream`, `LoadedKernel`, …) are values that belong to the device that made them. All functions may be
/// called from any thread.
public protocol Device: AnyObject, Sendable {
    /// What the device is and how large.
    var properties: DeviceProperties { get }

    /// Allocates `bytes` of device memory, aligned to at least 256; content undefined. Freed with the buffer's last
    /// reference.
    func allocate(bytes: Int, label: String) throws -> DeviceBuffer

    /// Copies host memory into `buffer` at `offset`, at once: call it while no kernel uses those bytes.
    func write(_ source: UnsafeRawBufferPointer, to buffer: DeviceBuffer, offset: Int) throws

    /// Copies device memory to the host, at once: call it after synchronising with what writes those bytes.
    func read(_ buffer: DeviceBuffer, offset: Int, into destination: UnsafeMutableRawBufferPointer) throws

    /// Sets all bytes of `buffer` to `value`, in the order of `stream`.
    func fill(_ buffer: DeviceBuffer, with value: UInt8, on stream: DeviceStream) throws

    /// Copies `bytes` between buffers, in the order of `stream`.
    func copy(
        from source: DeviceBuffer, offset: Int, to destination: DeviceBuffer, offset: Int, bytes: Int,
        on stream: DeviceStream) throws

    /// A new stream for the work of a rank. Ranks that share a device are as strange to each other as ranks on devices of
    /// their own; the simulator's judge holds them to that.
    func makeStream(label: String, rank: Int) throws -> DeviceStream

    /// A new event.
    func makeEvent() throws -> DeviceEvent

    /// Marks the point that `stream` has reached.
    func record(_ event: DeviceEvent, on stream: DeviceStream) throws

    /// Later work of `stream` starts after the point that `event` marked last.
    func wait(for event: DeviceEvent, on stream: DeviceStream) throws

    /// Nanoseconds between two events that have completed.
    func nanoseconds(from start: DeviceEvent, to end: DeviceEvent) throws -> Double

    /// Prepares a kernel for launching. The same kernel is prepared once.
    func load(_ kernel: Kernel) throws -> LoadedKernel

    /// Launches `blocks` blocks.
    ///
    /// - Parameter dependentLaunch: Start before the stream's previous kernel has ended, once all its blocks have called
    ///   `launchDependents`; the kernel itself then waits with `waitForPrerequisites`.
    func launch(
        _ kernel: LoadedKernel, blocks: Int, arguments: [KernelArgument], dependentLaunch: Bool, on stream: DeviceStream
    ) throws

    /// Records what `body` enqueues, on `stream` and on streams joined to it by events, instead of running it.
    func capture(on stream: DeviceStream, _ body: () throws -> Void) throws -> DeviceGraph

    /// Runs a captured graph, in the order of `stream`.
    func replay(_ graph: DeviceGraph, on stream: DeviceStream) throws

    /// Waits until everything enqueued on `stream` has completed.
    func synchronize(_ stream: DeviceStream) throws

    /// Waits until everything enqueued on the device has completed.
    func synchronize() throws

    /// Sets a part of the L2 aside, as long as the result lives, for `bytes` that kernels hand on to each other with the hint to keep
    /// them there (`CacheHint.evictLast`): what fits never goes to memory, as it is overwritten where it is. It is set aside for
    /// all work of the process on this device. Throws `DeviceError.keptBytes` for less than 0 bytes.
    func keepInL2(bytes: Int) throws -> L2Share

    /// How many blocks of the kernel one multiprocessor can hold at once.
    func blocksPerMultiprocessor(_ kernel: LoadedKernel) throws -> Int
}

extension Device {
    /// A new stream for the work of the only rank.
    public func makeStream(label: String) throws -> DeviceStream { try makeStream(label: label, rank: 0) }
}

/// What a device is and how large.
public struct DeviceProperties: Hashable, Sendable {
    /// The two kinds of device.
    public enum Kind: String, Hashable, Sendable {
        case cuda, simulator
    }

    /// GPU or simulator.
    public var kind: Kind
    /// Name for people, such as "NVIDIA H200".
    public var name: String
    /// Number of multiprocessors.
    public var multiprocessors: Int
    /// Bytes of shared memory that one block can have.
    public var sharedBytesPerBlock: Int
    /// Bytes of device memory.
    public var memoryBytes: Int
    /// Bytes of the L2 cache; 0 where there is none.
    public var l2Bytes: Int
    /// Bytes that the device memory moves in a second by its clock and width; nil where that is not known.
    public var memoryBytesPerSecond: Int?

    /// Properties as given.
    public init(
        kind: Kind, name: String, multiprocessors: Int, sharedBytesPerBlock: Int, memoryBytes: Int, l2Bytes: Int,
        memoryBytesPerSecond: Int?
    ) {
        self.kind = kind
        self.name = name
        self.multiprocessors = multiprocessors
        self.sharedBytesPerBlock = sharedBytesPerBlock
        self.memoryBytes = memoryBytes
        self.l2Bytes = l2Bytes
        self.memoryBytesPerSecond = memoryBytesPerSecond
    }
}

/// A stream of a device.
public struct DeviceStream: Hashable, Sendable {
    /// Number given by the device.
    public let id: Int
}

/// An event of a device.
public struct DeviceEvent: Hashable, Sendable {
    /// Number given by the device.
    public let id: Int
}

/// A kernel prepared by a device.
public struct LoadedKernel: Sendable {
    /// Number given by the device.
    public let id: Int
    /// The kernel.
    public let kernel: Kernel
    let digest: KernelDigest
}

/// A captured graph of a device.
public struct DeviceGraph: Hashable, Sendable {
    /// Number given by the device.
    public let id: Int
}
