import Accelerator
import ExpertKernels
import KernelLanguage
import Transport

/// Memory of an exchange for ranks that a network reaches, see `NetworkPeers`.
struct NetworkMemory: Sendable {
    /// UInt64 `[ranks]`: addresses of windows as the adapter has them, known when the rank is connected; 0 for ranks of
    /// the same node.
    private let windows: DeviceArray<UInt64>
    /// UInt32 `[2, maxTokens, networkPacketBytes / 4]`.
    private let staging: DeviceArray<UInt32>
    /// UInt64 `[ranks, rankExperts]`.
    private let expectedRows: DeviceArray<UInt64>
    /// UInt64 `[ranks, maxTokens, tokenRows]`.
    private let expectedResults: DeviceArray<UInt64>
    private let network: GroupNetwork
    private let rank: Int
    private let ranks: Int
    /// Parameters of each kernel that reaches other ranks.
    let parameters: NetworkParameters
    /// Further parameters of such kernels; nil without a modelled card.
    let card: NetworkCardParameters?

    /// nil without a network.
    init?(
        _ device: any Device, _ configuration: GroupConfiguration, _ transport: any Transport,
        masks: RankMaskMemory?, label: String
    ) throws {
        guard let network = configuration.network, let masks, let beats = masks.networkBeats else { return nil }
        (self.network, self.rank) = (network, transport.rank)
        let (shape, layout) = (configuration.shape, configuration.window)
        ranks = shape.ranks
        windows = try device.allocate(UInt64.self, count: shape.ranks, label: "network windows of \(label)")
        staging = try DeviceArray(
            transport.makeSource(
                "staging of \(label)", bytes: 2 * shape.maxTokens * layout.networkPacketBytes, on: device))
        expectedRows = try device.allocate(
            UInt64.self, count: layout.landedRows.count, label: "expected rows of \(label)")
        expectedResults = try device.allocate(
            UInt64.self, count: layout.landedResults.count, label: "expected results of \(label)")
        card = masks.cardBusy.map { NetworkCardParameters(cardBusy: $0.parameter) }
        // The simulator's engine and loopback need nothing.
        parameters = NetworkParameters(
            context: transport.networkContext ?? 0, windows: windows.parameter, beats: beats.parameter,
            staging: staging.parameter,
            expectedRows: expectedRows.parameter, expectedResults: expectedResults.parameter)
    }

    /// Whether the network reaches `peer`.
    func reaches(_ peer: Int) -> Bool { network.isBetween(rank, peer) }

    /// Notes the addresses of windows.
    func connect(_ found: [DeviceBuffer], _ device: any Device) throws {
        try device.write(found.indices.map { reaches($0) ? found[$0].address : 0 }, to: windows.buffer)
    }

    /// Notes the new address of one rank's window.
    func replaceWindow(of peer: Int, _ found: DeviceBuffer, _ device: any Device) throws {
        guard reaches(peer) else { return }
        let word = windows.part("network window of rank \(peer)", from: peer, count: 1)
        try device.write([found.address], to: word.buffer)
    }

    /// Sets the numbers expected of `peer` to those before the first step. The caller clears the rank's counters in the
    /// window as well.
    func forget(_ peer: Int, _ device: any Device) throws {
        for (array, what) in [(expectedRows, "rows"), (expectedResults, "results")] {
            let count = array.count / ranks
            let own = array.part("expected \(what) of rank \(peer)", from: peer * count, count: count)
            try device.write([UInt64](repeating: 0, count: count), to: own.buffer)
        }
    }

    /// Buffers that are zero before the first step.
    var state: [DeviceBuffer] { [staging.buffer, expectedRows.buffer, expectedResults.buffer] }
}
