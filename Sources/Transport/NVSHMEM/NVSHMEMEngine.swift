import Accelerator
import CUDADriver
import NVSHMEM
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// NVSHMEM between the processes of a group: the engine of `NetworkAdapter.engine` on GPUs. A process starts it once.
///
/// A process is a PE. Windows, and the sources of puts, lie in the symmetric heap, which all processes extend together:
/// ranks of a group are made in the same order in all of them. Kernels get addresses of their own process's heap,
/// whatever rank they are for, and PEs follow from the numbers of ranks.
///
/// Memory of a group of ranks that has gone in all processes is freed when the next group is made. NVSHMEM's collective
/// calls wait without a deadline, so processes meet before each of them at a rendezvous, which has one.
public final class NVSHMEMEngine: NetworkLinker {
    /// The processes.
    public let group: ProcessGroup
    /// Consecutive ranks that reach each other by loads and stores, as `GroupNetwork.ranksPerNode`.
    public let ranksPerNode: Int
    /// The version of NVSHMEM, such as `3.4.5`.
    public var version: String { "\(library.version)" }

    let device: CUDADevice
    /// Whether NVSHMEM has no network, and reaches mapped memory alone.
    let reachesMappedMemoryAlone: Bool
    private let library: NVSHMEMLibrary
    private let shim: NVSHMEMShim
    /// Seconds that processes wait for each other.
    private let patience: Double
    private let state = Mutex(State())

    private struct State {
        var heap = SymmetricHeapBook()
        var hasEnded = false
    }

    /// Finds NVSHMEM, compiles the functions that kernels call, and starts it. All processes do it together, before the
    /// first kernel with network operations is loaded.
    ///
    /// - Parameters:
    ///   - group: The processes, on GPUs.
    ///   - ranksPerNode: See `ranksPerNode`. When nil, the ranks of a machine where there are several machines with as
    ///     many ranks each, and else 1: then NVSHMEM is between any two ranks.
    ///   - seconds: How long to wait for others, here and when ranks are made.
    /// - Throws: `NVSHMEMError`, `TransportError`; `DeviceError` of the GPU.
    public init(_ group: ProcessGroup, ranksPerNode: Int? = nil, within seconds: Double = 120) throws {
        guard let device = group.device as? CUDADevice else {
            throw NVSHMEMError.needsGPU(device: group.device.properties.name)
        }
        (self.group, self.device, patience) = (group, device, seconds)
        self.ranksPerNode = try Self.ranksPerNode(
            ranksPerNode, ofProcess: group.ranksPerProcess, ofMachine: group.ranksPerHost,
            machines: group.extent.hosts)
        let start = try NVSHMEMStart.make(group, device, within: seconds)
        (library, shim) = (start.library, start.shim)
        reachesMappedMemoryAlone = getenv("NVSHMEM_REMOTE_TRANSPORT").map { String(cString: $0) } == "none"
        device.setNetwork(self)
    }

    /// Ranks of a node: those asked for, if they can be.
    package static func ranksPerNode(
        _ asked: Int?, ofProcess: Int, ofMachine: Int?, machines: Int
    ) throws(NVSHMEMError) -> Int {
        guard let asked else { return machines > 1 ? ofMachine ?? 1 : 1 }
        if asked == 1 { return 1 }
        guard asked > 0, asked % ofProcess == 0, let ofMachine, ofMachine % asked == 0 else {
            throw .nodes(ranks: asked, ofProcess: ofProcess, ofMachine: ofMachine)
        }
        return asked
    }

    /// The number of groups of ranks that have been made and are still alive.
    public var groupsInUse: Int { state.withLock { $0.heap.inUse } }

    /// Transports of this process's ranks, in order, for a group of ranks. All processes make them in the same order,
    /// and wait for each other; memory of groups that have gone is freed.
    ///
    /// - Throws: `TransportError` when other processes do not come, have gone or make something else.
    public func transports() throws -> [NVSHMEMTransport] {
        let (next, gone) = state.withLock { ($0.heap.next, $0.heap.statement()) }
        // No operation may be in flight when memory is freed.
        if !gone.isEmpty {
            try device.synchronize()
            try settle()
        }
        try agree("a group of ranks over NVSHMEM", "number \(next), nodes of \(ranksPerNode) ranks")
        let statements = try everyone("what has gone", gone, within: patience)
        try free(SymmetricHeapBook.agreed(statements))
        let windows = NVSHMEMTransport.Windows(state.withLock { $0.heap.begin() }, of: self)
        return group.localRanks.map { NVSHMEMTransport(rank: $0, of: self, windows) }
    }

    /// Ends NVSHMEM. All processes do it together, when ranks and layers have gone; nothing may run on the GPU. Where a
    /// process has gone NVSHMEM is left as it is, since its end would wait for that one.
    ///
    /// - Parameter seconds: How long to wait for the others.
    /// - Throws: `TransportError.missingProcesses`; it may be called again then.
    public func end(within seconds: Double = 60) throws {
        if state.withLock({ $0.hasEnded }) { return }
        // Unloads kernels without references.
        try device.synchronize()
        let own = state.withLock { $0.heap.statement(ofAll: true) }
        let statements: [String]?
        do {
            statements = try everyone("the end of NVSHMEM", own, within: seconds)
        } catch TransportError.lostProcesses {
            statements = nil
        }
        device.setNetwork(nil)
        defer {
            state.withLock { $0.hasEnded = true }
            NVSHMEMStart.noteEnd()
        }
        guard let statements else { return }
        try free(SymmetricHeapBook.agreed(statements))
        try device.context.makingCurrent { library.end() }
    }

    // MARK: What processes agree on

    private func everyone(_ what: String, _ text: String, within seconds: Double) throws -> [String] {
        try group.rendezvous.everyone(what, Array(text.utf8), within: seconds).map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    /// Throws `TransportError.disagreement` when the processes' texts differ.
    private func agree(_ what: String, _ text: String) throws {
        let all = try everyone(what, text, within: patience)
        let others = all.indices.filter { all[$0] != all[0] }
        guard others.isEmpty else {
            throw TransportError.disagreement(
                others.map { .init(name: what, expected: all[0], of: 0, found: all[$0], in: $0) })
        }
    }

    /// Frees memory of groups. All processes do so in this order.
    private func free(_ groups: [Int]) throws {
        for number in groups {
            let addresses = state.withLock { $0.heap.take(number) }
            try device.context.makingCurrent { for address in addresses { library.free(address) } }
        }
    }

    // MARK: For transports and the device

    /// Allocates memory of the symmetric heap. All processes call it together, with one size, for the rank at the same
    /// place.
    func allocate(bytes: Int, label: String, group number: Int, place: Int) throws -> DeviceBuffer {
        try agree("memory of NVSHMEM", "\(bytes) bytes for its rank \(place)")
        let address = try device.context.makingCurrent { try library.allocate(bytes: bytes, for: label) }
        state.withLock { $0.heap.note(address, bytes: bytes, of: number) }
        return try device.adopt(mapped: address, bytes: bytes, label: label)
    }

    /// Notes that a group of ranks has gone.
    func leave(_ number: Int) { state.withLock { $0.heap.leave(number) } }

    /// The memory of another process at the place of `buffer` in its heap, as it is mapped here.
    func mapped(_ buffer: DeviceBuffer, of process: Int, label: String) throws -> DeviceBuffer {
        let address = try device.context.makingCurrent { library.mapped(buffer.address, of: process) }
        guard let address else { throw NVSHMEMError.unreachable(process: process) }
        return try device.adopt(mapped: address, bytes: buffer.bytes, label: label)
    }

    /// Returns when all operations that kernels of this process have issued are complete. To mapped memory they store
    /// themselves.
    func settle() throws {
        if !reachesMappedMemoryAlone { try device.context.makingCurrent { library.settle() } }
    }

    /// See ``NetworkLinker/load(_:kernel:context:)``.
    package func load(_ ptx: String, kernel: String, context: Context) throws -> Module {
        let program = try shim.link(ptx, name: kernel, context: context)
        let module = try Module(cubin: program, context: context) { [weak self] module in self?.forget(module) }
        try context.makingCurrent { try library.start(module: module.handle, kernel) }
        return module
    }

    private func forget(_ module: UnsafeMutableRawPointer) {
        if state.withLock({ $0.hasEnded }) { return }
        try? device.context.makingCurrent { library.end(module: module) }
    }
}
