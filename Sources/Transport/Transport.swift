import Accelerator

/// How one rank of a group finds the others and shares memory with them.
///
/// Every rank has a transport of its own. Ranks make their windows under the same names and in any order;
/// `windows(_:within:)` then gives those of all ranks as this one reaches them. Nothing above a transport knows where
/// other ranks are.
public protocol Transport: AnyObject, Sendable {
    /// The number of this rank, from 0.
    var rank: Int { get }
    /// How many ranks the group has.
    var ranks: Int { get }

    /// How this rank reaches memory of rank `peer`.
    func reach(of peer: Int) -> PeerReach

    /// Makes device memory of this rank that all ranks can reach, once it is offered.
    ///
    /// - Parameters:
    ///   - name: Its name, the same on all ranks; each name is used once.
    ///   - bytes: Size, at least 1; content undefined.
    ///   - device: The rank's device.
    /// - Throws: `TransportError.repeatedWindow`; `DeviceError` when memory runs out.
    func makeWindow(_ name: String, bytes: Int, on device: any Device) throws -> DeviceBuffer

    /// Makes device memory of this rank from which rows are put to ranks that a network reaches; content undefined.
    /// Ranks of a group make the same, in the same order.
    func makeSource(_ label: String, bytes: Int, on device: any Device) throws -> DeviceBuffer

    /// The value that kernels pass to the functions of the transport's network engine; nil where it has none.
    var networkContext: UInt64? { get }

    /// Offers the window of this name, which this rank has made and initialised, to the other ranks.
    func offerWindow(_ name: String) throws

    /// The windows of all ranks of one name, by rank, as kernels of this rank reach them: one that only a network
    /// engine reaches has the address that the engine takes. Each is valid as long as its buffer lives.
    ///
    /// - Parameters:
    ///   - name: As in `makeWindow`.
    ///   - seconds: How long to wait for ranks that have not offered theirs.
    /// - Throws: `TransportError.missingRanks` when the time is over.
    func windows(_ name: String, within seconds: Double) throws -> [DeviceBuffer]

    /// The window of one rank, as kernels of this one reach it; see ``windows(_:within:)``. A rank that has been
    /// started again has a new one.
    func window(_ name: String, of peer: Int, within seconds: Double) throws -> DeviceBuffer

    /// Returns when all operations of a network engine that kernels of this rank have issued are complete. The kernels
    /// must have ended.
    func settle() throws

    /// Throws where the transport has no masks: where its ranks cannot go on without one that has gone.
    func requireMasks() throws

    /// Returns when all ranks have called it as often as this one.
    ///
    /// - Throws: `TransportError.missingRanks` when the time is over.
    func barrier(within seconds: Double) throws
}

extension Transport {
    /// Plain device memory, where no engine has to know it.
    public func makeSource(_ label: String, bytes: Int, on device: any Device) throws -> DeviceBuffer {
        try device.allocate(bytes: bytes, label: label)
    }

    /// No engine.
    public var networkContext: UInt64? { nil }

    /// Returns at once: without an engine of the transport's there are no operations in flight.
    public func settle() {}

    /// Throws nothing: its ranks can.
    public func requireMasks() {}
}

/// How a rank reaches the memory of another.
public enum PeerReach: Hashable, Sendable {
    /// It is on the same device, whose multiprocessors the ranks share.
    case sameDevice
    /// By loads and stores of kernels.
    case loadStore
    /// By puts of a network adapter alone.
    case put
}
