/// Kind, name and sizes of a device.
public struct DeviceProperties: Hashable, Sendable {
    /// The two kinds of device.
    public enum Kind: String, Hashable, Sendable {
        case cuda, simulator
    }

    /// GPU or simulator.
    public var kind: Kind
    /// An identifier that no other device has: the GPU's UUID as 32 hexadecimal digits, or "simulator" and the number
    /// of the process, as simulators of different processes are devices of their own.
    public var uniqueID: String
    /// Whether kernels of several processes run on the device at the same time (CUDA's Multi-Process Service).
    public var sharesContexts: Bool
    /// Readable name, such as "NVIDIA H200".
    public var name: String
    /// Number of multiprocessors.
    public var multiprocessors: Int
    /// Bytes of shared memory that one block can have.
    public var sharedBytesPerBlock: Int
    /// Bytes of device memory.
    public var memoryBytes: Int
    /// Bytes of the L2 cache; 0 where there is none.
    public var l2Bytes: Int
    /// Peak bandwidth of the device memory in bytes per second, by its clock and width; nil where that is not known.
    public var memoryBytesPerSecond: Int?

    /// Properties as given.
    public init(
        kind: Kind, uniqueID: String, sharesContexts: Bool, name: String, multiprocessors: Int,
        sharedBytesPerBlock: Int, memoryBytes: Int, l2Bytes: Int,
        memoryBytesPerSecond: Int?
    ) {
        self.kind = kind
        self.uniqueID = uniqueID
        self.sharesContexts = sharesContexts
        self.name = name
        self.multiprocessors = multiprocessors
        self.sharedBytesPerBlock = sharedBytesPerBlock
        self.memoryBytes = memoryBytes
        self.l2Bytes = l2Bytes
        self.memoryBytesPerSecond = memoryBytesPerSecond
    }
}
