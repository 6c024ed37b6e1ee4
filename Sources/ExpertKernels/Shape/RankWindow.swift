/// The memory of a rank that other ranks write to, as byte offsets into one allocation, the rank's window.
///
/// Every region is written by remote ranks and read by its owner only. Regions of different source ranks never overlap.
public struct RankWindow: Hashable, Sendable {
    /// The shape that the window is for.
    public let shape: LayerShape
    /// How rows travel.
    public let format: DispatchFormat

    /// The window of this shape and format.
    public init(_ shape: LayerShape, _ format: DispatchFormat) {
        self.shape = shape
        self.format = format
    }

    /// Bytes of one dispatched row.
    public var rowBytes: Int { format == .float8 ? shape.hidden : shape.hidden * 2 }
    private var slots: Int { shape.localExperts * shape.ranks * shape.maxTokens }

    /// Dispatched rows, `[localExperts, ranks, maxTokens, rowBytes]`.
    public var rows: Int { 0 }
    /// Their scales, Float32 `[localExperts, ranks, maxTokens, hidden / 128]`; FP8 only.
    public var scales: Int { align(rows + slots * rowBytes) }
    /// UInt32 `[localExperts, ranks, maxTokens]`: `token * topK + k` of each row on its source rank.
    public var choices: Int { align(scales + (format == .float8 ? slots * shape.hiddenGroups * 4 : 0)) }
    /// UInt64 `[localExperts, ranks]`: step in the high half, number of rows in the low one.
    public var dispatchFlags: Int { align(choices + slots * 4) }
    /// Combined rows, BF16 `[maxTokens, topK, hidden]`.
    public var combineRows: Int { align(dispatchFlags + shape.localExperts * shape.ranks * 8) }
    /// UInt32 `[experts]`: the step whose rows of that expert have all arrived.
    public var combineFlags: Int { align(combineRows + shape.maxTokens * shape.topK * shape.hidden * 2) }
    /// Size of the window.
    public var bytes: Int { align(combineFlags + shape.experts * 4) }

    private func align(_ offset: Int) -> Int { (offset + 255) / 256 * 256 }
}

/// How dispatched rows travel and arrive.
public enum DispatchFormat: String, CaseIterable, Hashable, Sendable {
    /// FP8 E4M3 with one Float32 scale per 128 channels.
    case float8
    /// BF16 as given.
    case bfloat16
}
