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

    /// Makes device memory of this rank that all ranks can reach. They get it when it is offered.
    ///
    /// - Parameters:
    ///   - name: What the ranks call it; each name is used once.
    ///   - bytes: Size, at least 1; content undefined.
    ///   - device: The rank's device.
    /// - Throws: `TransportError.repeatedWindow`; `DeviceError` when memory runs out.
    func makeWindow(_ name: String, bytes: Int, on device: any Device) throws -> DeviceBuffer

    /// Makes device memory of this rank out of which rows are put, where a network is the way to other ranks; content
    /// undefined. Ranks of a group make the same, in the same order.
    func makeSource(_ label: String, bytes: Int, on device: any Device) throws -> DeviceBuffer

    /// What kernels pass to the functions of the transport's network engine; nil where it has none.
    var networkContext: UInt64? { get }

    /// Lets the other ranks have the window of this name, which this rank has made and filled.
    func offerWindow(_ name: String) throws

    /// The windows of all ranks of one name, by rank, as kernels of this rank reach them: a window that only a network
    /// engine reaches is where that engine has it. Each is valid as long as it is held.
    ///
    /// - Parameters:
    ///   - name: As in `makeWindow`.
    ///   - seconds: How long to wait for ranks that have not offered theirs.
    /// - Throws: `TransportError.missingRanks` when the time is over.
    func windows(_ name: String, within seconds: Double) throws -> [DeviceBuffer]

    /// The window of one rank, as kernels of this one reach it; see ``windows(_:within:)``. A rank that has been made
    /// again has a new one.
    func window(_ name: String, of peer: Int, within seconds: Double) throws -> DeviceBuffer

    /// Returns when nothing is under way any more that kernels of this rank, which have ended, have asked a network
    /// engine for.
    func settle() throws

    /// Throws where the ranks of a group cannot go on without one that has gone.
    func requireMasks() throws

    /// Returns when all ranks have called it as often as this one.
    ///
    /// - Throws: `TransportError.missingRanks` when the time is over.
    func barrier(within seconds: Double) throws
}

extension Transport {
    /// Memory like any other, where nobody else has to know it.
    public func makeSource(_ label: String, bytes: Int, on device: any Device) throws -> DeviceBuffer {
        try device.allocate(bytes: bytes, label: label)
    }

    /// No engine.
    public var networkContext: UInt64? { nil }

    /// Nothing is under way without an engine of the transport's.
    public func settle() {}

    /// They can.
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
