/// The memory of a rank that other ranks write to, as byte offsets into one allocation, the rank's window.
///
/// Every region but the last is written by remote ranks and read by its owner. Dispatched rows lie where the GEMM reads them: rows of an
/// expert one behind the other, by source rank and then by token. Shared experts come before the routed ones; their rows are
/// the rank's own.
public struct RankWindow: Hashable, Sendable {
    /// The shape that the window is for.
    public let shape: LayerShape
    /// How rows travel.
    public let format: DispatchFormat
    /// The modelled link between ranks, if any.
    public let link: LinkModel?
    /// Whether the rank notes whom it waits for, see `ArrivalNotes`.
    public let notesArrivals: Bool

    /// The window of this shape and format.
    public init(
        _ shape: LayerShape, _ format: DispatchFormat, link: LinkModel? = nil, notesArrivals: Bool = false
    ) {
        self.shape = shape
        self.format = format
        self.link = link
        self.notesArrivals = notesArrivals
    }

    /// Bytes of one dispatched row.
    public var rowBytes: Int { format == .float8 ? shape.hidden : shape.hidden * 2 }
    /// Bytes that cross the link with one dispatched row: the row, its scales, and where it comes from.
    public var dispatchedBytes: Int { rowBytes + (format == .float8 ? shape.hiddenGroups * 4 : 0) + 16 }
    /// Bytes that cross the link with one combined row.
    public var combinedBytes: Int { shape.hidden * 2 + 4 }
    private var places: Int { shape.rankExperts * shape.maxRows }
    private var choices: Int { shape.maxTokens * shape.tokenRows }

    /// Dispatched rows, `[rankExperts, maxRows, rowBytes]`.
    public var rows: Int { 0 }
    /// Size of the region of rows.
    public var rowsBytes: Int { places * rowBytes }
    /// Their scales, Float32 `[rankExperts, hidden / 128, scaleRows]`; FP8 only.
    public var scales: Int { align(rows + rowsBytes) }
    /// Size of the region of scales.
    public var scalesBytes: Int {
        format == .float8 ? shape.rankExperts * shape.hiddenGroups * shape.scaleRows * 4 : 0
    }
    /// UInt64 `[rankExperts, maxRows]`: source token in the low and source rank in the high half.
    public var sourceInfo: Int { align(scales + scalesBytes) }
    /// UInt64 `[rankExperts, maxRows]`: the step in which the row arrived in the high half, and `token * tokenRows + k`
    /// of its row on the source rank in the low one.
    public var arrivals: Int { align(sourceInfo + places * 8) }
    /// UInt32 `[rankExperts, maxRows]`: how many rows its source sent over the link before it; with a link only.
    public var linkPositions: Int { align(arrivals + places * 8) }
    /// UInt64 `[2, ranks, ranks * rankExperts]`, even and odd steps: step in the high half, rows that the rank sends to the
    /// expert in the low one.
    public var rowCounts: Int { align(linkPositions + (link == nil ? 0 : places * 4)) }
    /// UInt64 `[2, ranks]`, even and odd steps: time at which the source's link began to carry its rows.
    public var linkStarts: Int { align(rowCounts + 2 * shape.ranks * shape.ranks * shape.rankExperts * 8) }
    /// Combined rows, BF16 `[maxTokens, tokenRows, hidden]`.
    public var combineRows: Int { align(linkStarts + 2 * shape.ranks * 8) }
    /// UInt32 `[maxTokens, tokenRows]`: the step in which the combined row came home.
    public var combineArrivals: Int { align(combineRows + choices * shape.hidden * 2) }
    /// UInt64 `[maxTokens, tokenRows]`: time at which the link delivers the combined row; with a link only.
    public var combineDue: Int { align(combineArrivals + choices * 4) }
    /// See `ArrivalNotes`; the only region that other ranks do not write to.
    public var arrivalNotes: Int { align(combineDue + (link == nil ? 0 : choices * 8)) }
    /// Size of the window.
    public var bytes: Int { align(arrivalNotes + (notesArrivals ? ArrivalNotes.count(shape) * 8 : 0)) }

    private func align(_ offset: Int) -> Int { (offset + 255) / 256 * 256 }

    /// For kernel names.
    var name: String {
        "h\(shape.hidden)_e\(shape.experts)_k\(shape.topK)_n\(shape.ranks)"
            + (shape.sharedExperts == 0 ? "" : "_s\(shape.sharedExperts)") + (link?.name ?? "")
            + (notesArrivals ? "_noted" : "")
    }
}

/// How dispatched rows travel and arrive.
public enum DispatchFormat: String, CaseIterable, Hashable, Sendable {
    /// FP8 E4M3 with one Float32 scale per 128 channels.
    case float8
    /// BF16 as given.
    case bfloat16
}
