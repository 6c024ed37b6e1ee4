import Accelerator
import ExpertKernels
import KernelLanguage

/// Whom a rank has masked, and where ranks show that they live: one for all exchanges of a rank.
struct RankMaskMemory: Sendable {
    /// UInt64 `[ranks, WaitFault.words]`, see `RankMasks`.
    let records: DeviceArray<UInt64>
    /// UInt64 `[ranks]`: addresses of the ranks' beat words, known when the rank is connected.
    let beats: DeviceArray<UInt64>
    /// For each kernel that waits for ranks or sends to them.
    let parameters: MaskParameters

    init(_ device: any Device, _ shape: LayerShape, rank: Int) throws {
        records = try device.allocate(
            UInt64.self, count: shape.ranks * WaitFault.words, label: "masks of rank \(rank)")
        beats = try device.allocate(UInt64.self, count: shape.ranks, label: "beats of rank \(rank)")
        parameters = MaskParameters(masks: records.parameter, beats: beats.parameter, rank: rank)
    }

    /// The part of the masks that is about `rank`.
    func record(of rank: Int) -> DeviceBuffer {
        records.part("mask of rank \(rank)", from: rank * WaitFault.words, count: WaitFault.words).buffer
    }
}
