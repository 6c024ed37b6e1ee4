import Accelerator
import ExpertKernels
import KernelLanguage

/// Whom a rank has masked, and where ranks show that they live: one for all exchanges of a rank.
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
    /// For each kernel that waits for ranks or sends to them.
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

    /// Notes where the windows are that hold the beats of all ranks.
    ///
    /// - Parameters:
    ///   - layout: Of the windows.
    ///   - own: That of this rank.
    ///   - reaches: Whether a network is the way to a rank, which then shows here that it lives.
    func connect(
        _ found: [DeviceBuffer], _ layout: RankWindow, own: DeviceBuffer, _ device: any Device, reaches: (Int) -> Bool
    ) throws {
        let words = found.indices.map { rank in
            reaches(rank) ? own.address + UInt64(layout.networkBeatOffset(of: rank)) : found[rank].address
        }
        try device.write(words, to: beats.buffer)
        if let networkBeats { try device.write(found.map(\.address), to: networkBeats.buffer) }
    }

    /// Notes where the window is now that holds the beat of one rank.
    ///
    /// - Parameter isNetworked: Whether a network is the way to it.
    func replaceWindow(of rank: Int, _ found: DeviceBuffer, _ device: any Device, isNetworked: Bool) throws {
        func write(_ table: DeviceArray<UInt64>) throws {
            try device.write([found.address], to: table.part("beat of rank \(rank)", from: rank, count: 1).buffer)
        }
        if !isNetworked { try write(beats) }
        if let networkBeats { try write(networkBeats) }
    }

    /// The part of the masks that is about `rank`.
    func record(of rank: Int) -> DeviceBuffer {
        records.part("mask of rank \(rank)", from: rank * WaitFault.words, count: WaitFault.words).buffer
    }
}
