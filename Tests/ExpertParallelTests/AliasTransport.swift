import Accelerator
import Synchronization
import Transport

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Ranks that see each other's windows at different addresses, as ranks in processes of their own do: windows are
/// files, and every rank maps them into memory for itself. For the simulator, which takes memory of the host.
final class AliasTransport: Transport {
    let rank: Int
    private let files: Files

    private init(rank: Int, _ files: Files) {
        self.rank = rank
        self.files = files
    }

    static func group(ranks: Int, device: SimulatedDevice) -> [AliasTransport] {
        let files = Files(ranks: ranks, device: device)
        return (0..<ranks).map { AliasTransport(rank: $0, files) }
    }

    var ranks: Int { files.ranks }

    func reach(of peer: Int) -> PeerReach { peer == rank ? .sameDevice : .loadStore }

    func makeWindow(_ name: String, bytes: Int, on device: any Device) throws -> DeviceBuffer {
        try files.add(name, of: rank, bytes: bytes)
        return try files.map(name, of: rank)
    }

    func offerWindow(_ name: String) throws {}

    func windows(_ name: String, within seconds: Double) throws -> [DeviceBuffer] {
        try (0..<ranks).map { try files.map(name, of: $0) }
    }

    func window(_ name: String, of peer: Int, within seconds: Double) throws -> DeviceBuffer {
        try files.map(name, of: peer)
    }

    func barrier(within seconds: Double) throws {}
}

/// The files that stand for the ranks' windows.
private final class Files: Sendable {
    struct Failure: Error {
        let call: String
        let code: Int32
    }

    let ranks: Int
    private let device: SimulatedDevice
    /// By name and rank: descriptor and size.
    private let files = Mutex<[String: (descriptor: Int32, bytes: Int)]>([:])

    init(ranks: Int, device: SimulatedDevice) {
        self.ranks = ranks
        self.device = device
    }

    deinit { files.withLock { for file in $0.values { close(file.descriptor) } } }

    func add(_ name: String, of rank: Int, bytes: Int) throws {
        var path = Array("/tmp/swiftep-window-XXXXXX".utf8CString)
        let descriptor = mkstemp(&path)
        guard descriptor >= 0 else { throw Failure(call: "mkstemp", code: errno) }
        unlink(path)
        guard ftruncate(descriptor, off_t(bytes)) == 0 else { throw Failure(call: "ftruncate", code: errno) }
        files.withLock { $0["\(name) \(rank)"] = (descriptor, bytes) }
    }

    /// The window of a rank, mapped once more.
    func map(_ name: String, of rank: Int) throws -> DeviceBuffer {
        guard let file = files.withLock({ $0["\(name) \(rank)"] }) else { throw Failure(call: "map", code: ENOENT) }
        guard let memory = mmap(nil, file.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor, 0),
            memory != MAP_FAILED
        else { throw Failure(call: "mmap", code: errno) }
        let address = UInt(bitPattern: memory)
        return try device.adopt(
            host: UnsafeMutableRawBufferPointer(start: memory, count: file.bytes), label: "\(name) of rank \(rank)"
        ) { munmap(UnsafeMutableRawPointer(bitPattern: address), file.bytes) }
    }
}
