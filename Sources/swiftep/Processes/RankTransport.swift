import Accelerator
import ExpertKernels
import ExpertParallel
import NVSHMEM
import Transport

/// The way in which ranks reach each other, chosen by `--transport`.
enum RankTransport: String, CaseIterable {
    /// By loads and stores of kernels.
    case loadStore
    /// By a network adapter that itself loads and stores.
    case loopback
    /// By the simulator's network.
    case network
    /// By NVSHMEM, between GPUs.
    case nvshmem

    static let option = Option<RankTransport>(
        "transport", allCases.map(\.rawValue).joined(separator: "|"),
        help:
            "How ranks reach each other. loadStore: kernels load from and store to each other's memory. loopback: all that "
            + "goes to another rank takes the way through a network adapter, which loads and stores in the end. network: "
            + "likewise, with an engine that acts later and in its own order; only the simulator has one. nvshmem: likewise, with "
            + "NVSHMEM, between processes on GPUs of one or several machines. Default: loadStore.",
        expected: "loadStore, loopback, network or nvshmem"
    ) { RankTransport(rawValue: $0) }

    /// The network between ranks; nil where there is none.
    private var network: GroupNetwork? {
        switch self {
        case .loadStore: nil
        case .loopback: GroupNetwork(.loopback)
        case .network, .nvshmem: GroupNetwork(.engine)
        }
    }

    /// The network that was asked for. Throws `UsageError` for options that do not go with it.
    static func network(_ arguments: Arguments) throws(UsageError) -> GroupNetwork? {
        let found = (arguments[option] ?? .loadStore).network
        try NetworkOptions.check(arguments, found?.adapter)
        guard var network = found else { return nil }
        guard arguments[BenchOptions.link] == nil else {
            throw .conflict(
                "--link models links of loads and stores; leave it out, or leave out --transport. What models a network "
                    + "is --\(NetworkOptions.link.name), with --transport loopback")
        }
        if let ranks = arguments[NetworkOptions.ranksPerNode] { network.ranksPerNode = ranks }
        network.queueDepth = arguments[NetworkOptions.queueDepth]
        network.model = arguments[NetworkOptions.link]
        if arguments[option] == .nvshmem, arguments[ProcessOptions.restart] {
            throw .conflict(
                "--restart takes ranks in again, which NVSHMEM does not; leave it out, or leave out --transport nvshmem"
            )
        }
        if arguments[option] == .nvshmem, arguments[ProcessOptions.onFailure] == .mask {
            throw .conflict("\(NVSHMEMError.cannotMask)")
        }
        return network
    }

    /// Starts NVSHMEM if it was asked for. Unless nodes are given, it is between machines where ranks are on several,
    /// and on one machine between all ranks.
    ///
    /// - Parameter group: The processes; nil where all ranks are in this one.
    /// - Throws: `UsageError` for a device that has no such network, or too few processes; `NVSHMEMError`.
    static func startEngine(_ arguments: Arguments, _ group: ProcessGroup?, on device: any Device) throws
        -> NVSHMEMEngine?
    {
        switch (arguments[option], device.properties.kind) {
        case (.network, .cuda): throw UsageError.conflict("\(GroupError.noNetworkEngine)")
        case (.nvshmem, .simulator):
            throw UsageError.conflict("\(NVSHMEMError.needsGPU(device: device.properties.name))")
        case (.nvshmem, .cuda):
            guard let group else { throw UsageError.conflict("\(NVSHMEMError.needsProcesses)") }
            return try NVSHMEMEngine(
                group, ranksPerNode: arguments[NetworkOptions.ranksPerNode], within: Processes.patience)
        default: return nil
        }
    }
}
