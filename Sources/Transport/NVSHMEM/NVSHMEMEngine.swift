import Accelerator
import CUDADriver
import NVSHMEM
import Synchronization

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// NVSHMEM between the processes of a group: the engine of `NetworkAdapter.engine` on GPUs. A process has one at a time.
///
/// A process is a PE. Windows, and what is put, lie in the symmetric heap, which all processes extend together: ranks of a
/// group are made in the same order in all of them. Kernels are given addresses of the own heap, whatever rank they are
/// for, and PEs follow from numbers of ranks.
///
/// Its memory is kept until `end`, since all processes would have to free it together.
public final class NVSHMEMEngine: NetworkLinker {
    /// The processes.
    public let group: ProcessGroup
    /// Ranks that follow one another and reach each other by loads and stores, as `GroupNetwork.ranksPerNode`.
    public let ranksPerNode: Int
    /// The version of NVSHMEM, such as `3.4.5`.
    public var version: String { "\(library.version)" }

    let device: CUDADevice
    /// Whether NVSHMEM has no network, and reaches what it maps.
    let reachesMappedMemoryAlone: Bool
    private let library: NVSHMEMLibrary
    private let shim: NVSHMEMShim
    private let state = Mutex(State())

    private struct State {
        /// What has been allocated, in order.
        var addresses: [UInt64] = []
        var hasEnded = false
    }

    /// Finds NVSHMEM, builds what kernels call, and starts it. All processes do it together, before the first kernel with
    /// network operations is loaded.
    ///
    /// - Parameters:
    ///   - group: The processes, on GPUs.
    ///   - ranksPerNode: See `ranksPerNode`; a process's ranks are on one node unless it is 1.
    ///   - seconds: How long to wait for others.
    /// - Throws: `NVSHMEMError`, `TransportError`; `DeviceError` of the GPU.
    public init(_ group: ProcessGroup, ranksPerNode: Int = 1, within seconds: Double = 120) throws {
        guard let device = group.device as? CUDADevice else {
            throw NVSHMEMError.needsGPU(device: group.device.properties.name)
        }
        (self.group, self.ranksPerNode, self.device) = (group, ranksPerNode, device)
        try Self.prepare(group, device)
        reachesMappedMemoryAlone = getenv("NVSHMEM_REMOTE_TRANSPORT").map { String(cString: $0) } == "none"
        let installation = try NVSHMEMInstallation.find()
        library = try NVSHMEMLibrary(installation)
        shim = try NVSHMEMShim(installation, CUDAToolkit.find())
        let rendezvous = group.rendezvous
        let versions = try rendezvous.gather("NVSHMEM's version", Array("\(library.version)".utf8), within: seconds)
        let texts = versions.map { String(decoding: $0 ?? [], as: UTF8.self) }
        guard Set(texts).count == 1 else { throw NVSHMEMError.disagreement(texts) }
        let own = try rendezvous.process == 0 ? library.makeUniqueID().bytes : []
        let ids = try rendezvous.gather("NVSHMEM's meeting place", own, within: seconds)
        guard let id = UniqueID(bytes: ids[0] ?? []) else {
            throw TransportError.malformed(from: 0, what: "NVSHMEM's meeting place")
        }
        try device.context.makingCurrent {
            try library.start(id, process: rendezvous.process, of: rendezvous.processes)
        }
        device.setNetwork(self)
    }

    /// Sets variables that NVSHMEM reads, unless they are set already, and sees whether there can be a network.
    private static func prepare(_ group: ProcessGroup, _ device: CUDADevice) throws {
        // Several processes of a GPU cannot be in one multicast group, and nothing here is multicast.
        setenv("NVSHMEM_DISABLE_NVLS", "1", 0)
        // As many multiprocessors as they need is what ranks of a GPU see to themselves.
        setenv("NVSHMEM_IGNORE_CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "1", 0)
        let hosts = group.extent.hosts
        guard hosts > 1 else {
            // On one machine no network card is needed, and none is to be looked for.
            setenv("NVSHMEM_REMOTE_TRANSPORT", "none", 0)
            setenv("NVSHMEM_BOOTSTRAP_UID_SOCK_IFNAME", "lo", 0)
            return
        }
        let cards = (try? FileManager.default.contentsOfDirectory(atPath: "/sys/class/infiniband")) ?? []
        if cards.isEmpty, getenv("NVSHMEM_REMOTE_TRANSPORT") == nil { throw NVSHMEMError.noNetworkCard(hosts: hosts) }
        // NVSHMEM's own waits flush where this is needed; those of kernels here do not.
        guard try device.context.attribute(.remoteWriteOrdering) >= 100 else {
            throw NVSHMEMError.unorderedWrites(device: device.properties.name)
        }
    }

    /// Transports of this process's ranks, in order, for a group of ranks. All processes make them in the same order.
    public func transports() -> [NVSHMEMTransport] {
        let windows = NVSHMEMTransport.Windows()
        return group.localRanks.map { NVSHMEMTransport(rank: $0, of: self, windows) }
    }

    /// Ends NVSHMEM. All processes do it together, when ranks and layers have gone; nothing may run on the GPU.
    public func end() throws {
        // Kernels that nobody holds are unloaded.
        try device.synchronize()
        device.setNetwork(nil)
        let addresses = state.withLock { state -> [UInt64]? in
            if state.hasEnded { return nil }
            state.hasEnded = true
            return state.addresses
        }
        guard let addresses else { return }
        try device.context.makingCurrent {
            for address in addresses { library.free(address) }
            library.end()
        }
    }

    // MARK: For transports and the device

    /// Memory of the symmetric heap, which all processes allocate together.
    func allocate(bytes: Int, label: String) throws -> DeviceBuffer {
        let address = try device.context.makingCurrent { try library.allocate(bytes: bytes, for: label) }
        state.withLock { $0.addresses.append(address) }
        return try device.adopt(mapped: address, bytes: bytes, label: label)
    }

    /// Where memory of another process is mapped here: memory at the place of `buffer` in its heap.
    func mapped(_ buffer: DeviceBuffer, of process: Int, label: String) throws -> DeviceBuffer {
        let address = try device.context.makingCurrent { library.mapped(buffer.address, of: process) }
        guard let address else { throw NVSHMEMError.unreachable(process: process) }
        return try device.adopt(mapped: address, bytes: buffer.bytes, label: label)
    }

    /// Returns when all that kernels of this process have asked for has been done. What is mapped they do themselves.
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
