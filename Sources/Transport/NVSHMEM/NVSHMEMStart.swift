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

/// The parts of NVSHMEM that a process has found, before it is started. All processes tell each other whether they have
/// it, so that none waits for one that has not.
struct NVSHMEMStart {
    let library: NVSHMEMLibrary
    let shim: NVSHMEMShim
    /// The ID that the processes start with, in the first of them.
    private var id: UniqueID?

    private enum Use { case never, now, before }
    private static let use = Mutex(Use.never)

    /// Throws `NVSHMEMError` for what is missing.
    private init(_ group: ProcessGroup, _ device: CUDADevice) throws {
        let use = Self.use.withLock { $0 }
        // Parameters of a second start are ignored by some versions, which go on with the processes of the first.
        guard use == .never else { throw NVSHMEMError.onePerProcess(hasEnded: use == .before) }
        try Self.prepare(group, device)
        let installation = try NVSHMEMInstallation.find()
        library = try NVSHMEMLibrary(installation)
        shim = try NVSHMEMShim(installation, CUDAToolkit.find())
        if group.rendezvous.process == 0 { id = try library.makeUniqueID() }
    }

    /// Starts NVSHMEM in all processes, or in none.
    ///
    /// - Throws: `NVSHMEMError`: this process's own problem, or `.elsewhere` with another one's; `TransportError`.
    static func make(_ group: ProcessGroup, _ device: CUDADevice, within seconds: Double) throws -> NVSHMEMStart {
        let found = Result { try NVSHMEMStart(group, device) }
        let all = try Word(found).exchange(over: group.rendezvous, within: seconds)
        let own = try found.get()
        if let process = all.firstIndex(where: { $0.problem != nil }), let problem = all[process].problem {
            throw NVSHMEMError.elsewhere(process: process, reason: problem)
        }
        let versions = all.map { $0.version ?? "" }
        guard Set(versions).count == 1 else { throw NVSHMEMError.disagreement(versions) }
        guard let id = all[0].id.flatMap({ UniqueID(bytes: $0) }) else {
            throw TransportError.malformed(from: 0, what: "NVSHMEM's meeting place")
        }
        use.withLock { $0 = .now }
        do {
            try device.context.makingCurrent {
                try own.library.start(id, process: group.rendezvous.process, of: group.rendezvous.processes)
            }
        } catch {
            noteEnd()
            throw error
        }
        return own
    }

    /// Notes that NVSHMEM has been ended, or left as it is.
    static func noteEnd() { use.withLock { $0 = .before } }

    /// A process's message to the others.
    private struct Word: Codable {
        var problem: String?
        var version: String?
        var id: [UInt8]?

        init(_ found: Result<NVSHMEMStart, any Error>) {
            switch found {
            case .success(let start): (version, id) = ("\(start.library.version)", start.id?.bytes)
            case .failure(let error): problem = "\(error)"
            }
        }

        func exchange(over rendezvous: Rendezvous, within seconds: Double) throws -> [Word] {
            let what = "the start of NVSHMEM"
            let parts = try rendezvous.everyone(what, Array(JSONEncoder().encode(self)), within: seconds)
            return try parts.enumerated().map { process, bytes in
                guard let word = try? JSONDecoder().decode(Word.self, from: Data(bytes)) else {
                    throw TransportError.malformed(from: process, what: what)
                }
                return word
            }
        }
    }

    /// Sets variables that NVSHMEM reads, unless they are set already, and sees whether there can be a network.
    private static func prepare(_ group: ProcessGroup, _ device: CUDADevice) throws {
        // Several processes of a GPU cannot be in one multicast group, and nothing here is multicast.
        setenv("NVSHMEM_DISABLE_NVLS", "1", 0)
        // Ranks that share a GPU divide its multiprocessors themselves.
        setenv("NVSHMEM_IGNORE_CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "1", 0)
        let hosts = group.extent.hosts
        guard hosts > 1 else {
            // On one machine no network card is needed, and NVSHMEM need not look for one.
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
}
