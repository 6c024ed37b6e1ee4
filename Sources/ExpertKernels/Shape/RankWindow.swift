import KernelLanguage

/// The memory of a rank that other ranks write to: the regions of one allocation, the rank's window.
///
/// Every region but the last is written by remote ranks and read by its owner. Dispatched rows lie where the GEMM reads
/// them: rows of an expert one behind the other, by source rank and then by token. Shared experts come before the
/// routed ones; their rows are the rank's own.
package struct RankWindow: Hashable, Sendable {
    /// The shape that the window is for.
    package let shape: LayerShape
    /// How rows travel.
    package let format: DispatchFormat
    /// The modelled link between ranks, if any.
    package let link: LinkModel?
    /// Whether the rank notes whom it waits for, see `ArrivalNotes`.
    package let notesArrivals: Bool

    /// The window of this shape and format.
    package init(
        _ shape: LayerShape, _ format: DispatchFormat, link: LinkModel? = nil, notesArrivals: Bool = false
    ) {
        self.shape = shape
        self.format = format
        self.link = link
        self.notesArrivals = notesArrivals
    }

    /// Bytes of one dispatched row.
    package var rowBytes: Int { format == .float8 ? shape.hidden : shape.hidden * 2 }
    /// Bytes that cross the link with one dispatched row: the row, its scales, and where it comes from.
    package var dispatchedBytes: Int { rowBytes + (format == .float8 ? shape.hiddenGroups * 4 : 0) + 16 }
    /// Bytes that cross the link with one combined row.
    package var combinedBytes: Int { shape.hidden * 2 + 4 }
    private var places: Int { shape.rankExperts * shape.maxRows }
    private var choices: Int { shape.maxTokens * shape.tokenRows }

    private func region<Element>(_ offset: Int, _ count: Int) -> WindowRegion<Element> {
        WindowRegion(offset: offset, count: count)
    }

    /// Dispatched rows, `[rankExperts, maxRows, rowBytes]`, in words of 4 bytes.
    package var rows: WindowRegion<UInt32> { region(0, places * rowBytes / 4) }
    /// Their scales, `[rankExperts, hidden / 128, scaleRows]`; FP8 only.
    package var scales: WindowRegion<Float> {
        region(rows.end, format == .float8 ? shape.rankExperts * shape.hiddenGroups * shape.scaleRows : 0)
    }
    /// `[rankExperts, maxRows]`: source token in the low and source rank in the high half.
    package var sourceInfo: WindowRegion<UInt64> { region(scales.end, places) }
    /// `[rankExperts, maxRows]`: the step in which the row arrived in the high half, and `token * tokenRows + k` of its
    /// row on the source rank in the low one.
    package var arrivals: WindowRegion<UInt64> { region(sourceInfo.end, places) }
    /// `[rankExperts, maxRows]`: how many rows its source sent over the link before it; with a link only.
    package var linkPositions: WindowRegion<UInt32> { region(arrivals.end, link == nil ? 0 : places) }
    /// `[2, ranks, ranks * rankExperts]`, even and odd steps: step in the high half, rows that the rank sends to the
    /// expert in the low one.
    package var rowCounts: WindowRegion<UInt64> {
        region(linkPositions.end, 2 * shape.ranks * shape.ranks * shape.rankExperts)
    }
    /// `[2, ranks]`, even and odd steps: time at which the source's link began to carry its rows.
    package var linkStarts: WindowRegion<UInt64> { region(rowCounts.end, 2 * shape.ranks) }
    /// Combined rows, `[maxTokens, tokenRows, hidden]`.
    package var combineRows: WindowRegion<BFloat16> { region(linkStarts.end, choices * shape.hidden) }
    /// `[maxTokens, tokenRows]`: the step in which the combined row came home.
    package var combineArrivals: WindowRegion<UInt32> { region(combineRows.end, choices) }
    /// `[maxTokens, tokenRows]`: time at which the link delivers the combined row; with a link only.
    package var combineDue: WindowRegion<UInt64> { region(combineArrivals.end, link == nil ? 0 : choices) }
    /// See `ArrivalNotes`; the only region that other ranks do not write to.
    package var arrivalNotes: WindowRegion<UInt64> {
        region(combineDue.end, notesArrivals ? ArrivalNotes.count(shape) : 0)
    }
    /// Size of the window.
    package var bytes: Int { arrivalNotes.end }

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
