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
