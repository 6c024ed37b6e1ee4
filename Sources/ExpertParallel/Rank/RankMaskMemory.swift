import Accelerator
import ExpertKernels
import KernelLanguage

/// The masks of a rank, and the addresses of all ranks' beats: one for all exchanges of a rank.
struct RankMaskMemory: Sendable {
    /// UInt64 `[ranks, WaitFault.words]`, see `RankMasks`.
    let records: DeviceArray<UInt64>
    /// UInt64 `[ranks]`: addresses of the ranks' beat words, known when the rank is connected.
    let beats: DeviceArray<UInt64>
    /// UInt64 `[ranks]`: addresses of the windows with the ranks' beats, as a network adapter has them; nil without
    /// one.
    let networkBeats: DeviceArray<UInt64>?
    /// UInt64 `[1]`: see `NetworkCard`; nil without a modelled one. All exchanges of the rank send through it.
    let cardBusy: DeviceArray<UInt64>?
    /// Parameters of each kernel that waits for ranks or sends to them.
    let parameters: MaskParameters

    init(_ device: any Device, _ configuration: GroupConfiguration, rank: Int) throws {
        let shape = configuration.shape
        records = try device.allocate(
            UInt64.self, count: shape.ranks * WaitFault.words, label: "masks of rank \(rank)")
        beats = try device.allocate(UInt64.self, count: shape.ranks, label: "beats of rank \(rank)")
        networkBeats =
            try configuration.network == nil
            ? nil : device.allocate(UInt64.self, count: shape.ranks, label: "network beats of rank \(rank)")
        cardBusy =
            try configuration.network?.model == nil
            ? nil : device.allocate(UInt64.self, count: 1, label: "network card of rank \(rank)")
        parameters = MaskParameters(masks: records.parameter, beats: beats.parameter, rank: rank)
    }

    /// Notes the addresses of the windows that hold the beats of all ranks.
    ///
    /// - Parameters:
    ///   - layout: Layout of the windows.
    ///   - own: This rank's window.
    ///   - reaches: Whether a network reaches a rank, whose beat then arrives in this rank's window.
    func connect(
        _ found: [DeviceBuffer], _ layout: RankWindow, own: DeviceBuffer, _ device: any Device, reaches: (Int) -> Bool
    ) throws {
        let words = found.indices.map { rank in
            reaches(rank) ? own.address + UInt64(layout.networkBeatOffset(of: rank)) : found[rank].address
        }
        try device.write(words, to: beats.buffer)
        if let networkBeats { try device.write(found.map(\.address), to: networkBeats.buffer) }
    }

    /// Notes the new address of the window that holds the beat of one rank.
    ///
    /// - Parameter isNetworked: Whether a network reaches the rank.
    func replaceWindow(of rank: Int, _ found: DeviceBuffer, _ device: any Device, isNetworked: Bool) throws {
        func write(_ table: DeviceArray<UInt64>) throws {
            try device.write([found.address], to: table.part("beat of rank \(rank)", from: rank, count: 1).buffer)
        }
        if !isNetworked { try write(beats) }
        if let networkBeats { try write(networkBeats) }
    }

    /// The mask record of `rank`.
    func record(of rank: Int) -> DeviceBuffer {
        records.part("mask of rank \(rank)", from: rank * WaitFault.words, count: WaitFault.words).buffer
    }
}
