import KernelLanguage

/// The memory of a rank that other ranks write to: the regions of one allocation, the rank's window.
///
/// Every region but `arrivalNotes` is written by remote ranks and read by its owner, unless it says otherwise.
/// Dispatched rows lie where the GEMM reads them: rows of an expert one behind the other, by source rank and then by
/// token. Shared experts come before the routed ones; their rows are the rank's own.
package struct RankWindow: Hashable, Sendable {
    /// The shape that the window is for.
    package let shape: LayerShape
    /// How rows travel.
    package let format: DispatchFormat
    /// The modelled link between ranks, if any.
    package let link: LinkModel?
    /// Whether the rank's kernels note which ranks they wait for, see `ArrivalNotes`.
    package let notesArrivals: Bool
    /// Whether ranks mask a rank that they have waited for in vain, see `RankMasks`. Every rank then writes only to
    /// memory of its own in another's window, see `LandingRows`, so that a masked rank that is alive after all does no
    /// harm.
    package let masks: Bool
    /// How scales of rows are rounded and stored; with FP8 rows only.
    package let scaleFormat: ScaleFormat
    /// Adapter that reaches ranks that this one cannot load from and store to; nil where there are none. Rows then land
    /// as with masks, see `NetworkPeers`.
    package let network: NetworkAdapter?
    /// The modelled card through which ranks reach the network, if any; see `NetworkCard`.
    package let networkModel: NetworkModel?

    /// The window of this shape and format.
    package init(
        _ shape: LayerShape, _ format: DispatchFormat, link: LinkModel? = nil, notesArrivals: Bool = false,
        masks: Bool = false, scaleFormat: ScaleFormat = .float32, network: NetworkAdapter? = nil,
        networkModel: NetworkModel? = nil
    ) {
        precondition(networkModel == nil || network == .loopback, "an engine takes a time of its own")
        precondition(
            scaleFormat != .exponents || (format == .float8 && shape.hiddenGroups % scaleFormat.groupsPerWord == 0),
            "packed scales need FP8 rows of whole words of scales: a hidden size that is a multiple of 512")
        self.shape = shape
        self.format = format
        self.link = link
        self.notesArrivals = notesArrivals
        self.masks = masks || network != nil
        self.network = network
        self.networkModel = networkModel
        self.scaleFormat = scaleFormat
    }

    /// Bytes of one dispatched row.
    package var rowBytes: Int { format == .float8 ? shape.paddedHidden : shape.paddedHidden * 2 }
    /// Words of 4 bytes that hold the scales of one row in FP8.
    package var scaleWords: Int { shape.hiddenGroups / scaleFormat.groupsPerWord }
    private var scaleBytes: Int { format == .float8 ? scaleWords * 4 : 0 }
    /// Bytes that cross the link with one dispatched row: the row, its scales, and where it comes from.
    package var dispatchedBytes: Int { rowBytes + scaleBytes + 16 }
    /// Bytes of a token as it lands where ranks are masked: the row, then its scales; a multiple of 16.
    package var packetBytes: Int { (rowBytes + scaleBytes + 15) / 16 * 16 }
    /// Bytes that cross the link with one combined row.
    package var combinedBytes: Int { shape.paddedHidden * 2 + 4 }
    private var places: Int { shape.rankExperts * shape.maxRows }
    private var choices: Int { shape.maxTokens * shape.tokenRows }

    private func region<Element>(_ offset: Int, _ count: Int) -> WindowRegion<Element> {
        WindowRegion(offset: offset, count: count)
    }

    /// The rank's beat: its clock when it last showed that it is alive. Behind it `[ranks]`: 1 from a rank that has
    /// masked this one; see `RankMasks`. With masks only. It lies at the beginning of every window, so that the
    /// window's address is the beat's.
    ///
    /// With a network, behind those `[ranks]`: the count of beats of each rank that the network reaches, which adapters
    /// alone change.
    package var beat: WindowRegion<UInt64> { region(0, masks ? 1 + shape.ranks + networked(shape.ranks) : 0) }
    /// Byte of the window at which the count of beats of `rank` by the network lies.
    package func networkBeatOffset(of rank: Int) -> Int { (1 + shape.ranks + rank) * 8 }
    /// Dispatched rows, `[rankExperts, maxRows, rowBytes]`, in words of 4 bytes. With masks the rank itself writes
    /// them, and `scales`, `sourceInfo` and `arrivals`.
    package var rows: WindowRegion<UInt32> { region(beat.end, places * rowBytes / 4) }
    /// Their scales, in words of 4 bytes: Float32 `[rankExperts, hiddenGroups, scaleRows]`, or exponents of four groups
    /// in a word, `[rankExperts, hiddenGroups / 4, scaleRows]`; FP8 only.
    package var scales: WindowRegion<UInt32> {
        region(rows.end, shape.rankExperts * scaleBytes / 4 * shape.scaleRows)
    }
    /// `[rankExperts, maxRows]`: source token in the low and source rank in the high half.
    package var sourceInfo: WindowRegion<UInt64> { region(scales.end, places) }
    /// `[rankExperts, maxRows]`: the step in which the row arrived in the high half, and `token * tokenRows + k` of its
    /// row on the source rank in the low one; `absentRow` there for one that will not come.
    package var arrivals: WindowRegion<UInt64> { region(sourceInfo.end, places) }
    /// `[rankExperts, maxRows]`: how many rows its source sent over the link before it; with a link only.
    package var linkPositions: WindowRegion<UInt32> { region(arrivals.end, link == nil ? 0 : places) }
    /// `[2, ranks, ranks * rankExperts]`, even and odd steps: step in the high half, rows that the rank sends to the
    /// expert in the low one. With masks of the owner's experts alone, `[2, ranks, rankExperts]`.
    package var rowCounts: WindowRegion<UInt64> {
        region(linkPositions.end, 2 * shape.ranks * (masks ? 1 : shape.ranks) * shape.rankExperts)
    }
    /// `[2, ranks]`, even and odd steps: device time in nanoseconds at which the source's link began to carry its rows.
    package var linkStarts: WindowRegion<UInt64> { region(rowCounts.end, 2 * shape.ranks) }
    /// `[2, ranks, maxTokens, packetBytes]`, even and odd steps: tokens as they land, in words of 4 bytes; with masks
    /// only. See `LandingRows`.
    package var landing: WindowRegion<UInt32> {
        region(linkStarts.end, masks ? 2 * shape.ranks * shape.maxTokens * packetBytes / 4 : 0)
    }
    /// `[2, ranks, rankExperts, maxTokens]`, even and odd steps: of the source's rows for an expert the step in the
    /// high half, and `token * tokenRows + k` in the low one; with masks only.
    package var landingArrivals: WindowRegion<UInt64> {
        region(landing.end, masks ? 2 * shape.ranks * shape.rankExperts * shape.maxTokens : 0)
    }
    /// `[rankExperts]`: step in the high half, and in the low one the rows that the expert has in it; with masks only.
    /// See `AgreedCounts`.
    package var agreedCounts: WindowRegion<UInt64> { region(landingArrivals.end, masks ? shape.rankExperts : 0) }
    /// Copies of `combineRows` and `combineArrivals`: with masks one for each rank that sends rows home.
    private var homes: Int { masks ? shape.ranks : 1 }
    /// Combined rows, `[maxTokens, tokenRows, paddedHidden]`; with masks `[ranks, maxTokens, tokenRows, paddedHidden]`,
    /// by the rank of the expert.
    package var combineRows: WindowRegion<BFloat16> { region(agreedCounts.end, homes * choices * shape.paddedHidden) }
    /// `[maxTokens, tokenRows]`, or `[ranks, maxTokens, tokenRows]`: the step in which the combined row came home.
    package var combineArrivals: WindowRegion<UInt32> { region(combineRows.end, homes * choices) }
    /// First of the combined rows that the experts of `rank` send home.
    package func firstCombinedRow(from rank: Int) -> Int { masks ? rank * choices : 0 }
    /// `[maxTokens, tokenRows]`: device time in ns at which the link delivers the combined row; with a link only.
    package var combineDue: WindowRegion<UInt64> { region(combineArrivals.end, link == nil ? 0 : choices) }
    /// See `ArrivalNotes`; the only region that other ranks do not write to.
    package var arrivalNotes: WindowRegion<UInt64> {
        region(combineDue.end, notesArrivals ? ArrivalNotes.count(shape) : 0)
    }
    /// `[ranks]`: the step of the rank's last barrier, see `rankBarrierKernel`.
    package var barriers: WindowRegion<UInt32> { region(arrivalNotes.end, shape.ranks) }
    /// `count` with a network, else 0.
    private func networked(_ count: Int) -> Int { network == nil ? 0 : count }
    /// Words of 4 bytes of a packet's header, which follows the scales: the token, and its choices, numbered as in
    /// `ExpertNumbers`.
    private var headerWords: Int { (1 + shape.topK + 3) / 4 * 4 }
    /// Bytes of a token on its way through the network: the row, its scales, and its header; a multiple of 16.
    package var networkPacketBytes: Int { packetBytes + headerWords * 4 }
    /// `[2, ranks, rankExperts, maxTokens, networkPacketBytes]`, even and odd steps: the source's rows for an expert as
    /// they land, in words of 4 bytes.
    package var networkLanding: WindowRegion<UInt32> {
        let rows = 2 * shape.ranks * shape.rankExperts * shape.maxTokens
        return region(barriers.end, networked(rows * networkPacketBytes / 4))
    }
    /// `[ranks, rankExperts]`: rows of the source for an expert that have landed in all steps together. Adapters alone
    /// change it, and `landedResults`.
    package var landedRows: WindowRegion<UInt64> {
        region(networkLanding.end, networked(shape.ranks * shape.rankExperts))
    }
    /// `[ranks, maxTokens, tokenRows]`: how often the combined row has come home, from the rank of its expert.
    package var landedResults: WindowRegion<UInt64> { region(landedRows.end, networked(homes * choices)) }
    private func modelled(_ count: Int) -> Int { networkModel == nil ? 0 : count }
    /// With a modelled card: for each word of `rowCounts`, device time in nanoseconds at which it arrives.
    package var rowCountsDue: WindowRegion<UInt64> { region(landedResults.end, modelled(rowCounts.count)) }
    /// For each word of `landedRows`, likewise: time at which the last row arrives that it has counted.
    package var landedRowsDue: WindowRegion<UInt64> { region(rowCountsDue.end, modelled(landedRows.count)) }
    /// For each word of `landedResults`, likewise: time at which the row arrives.
    package var landedResultsDue: WindowRegion<UInt64> { region(landedRowsDue.end, modelled(landedResults.count)) }
    /// Value in `arrivals` in place of a row's choice if the row will not come.
    static var absentRow: UInt32 { .max }

    /// Size of the window in bytes.
    package var bytes: Int { network == nil ? barriers.end : landedResultsDue.end }

    /// For kernel names.
    var name: String {
        "h\(shape.paddedHidden)_e\(shape.experts)_k\(shape.topK)_n\(shape.ranks)"
            + (shape.sharedExperts == 0 ? "" : "_s\(shape.sharedExperts)") + (link?.name ?? "")
            + (notesArrivals ? "_noted" : "") + (network.map { "_\($0)" } ?? (masks ? "_masked" : ""))
            + (networkModel?.name ?? "")
            + scaleFormat.name
    }
    /// For names of kernels that read or write tokens themselves.
    var tokenName: String { name + (isPadded ? "_of\(shape.hidden)" : "") }
    /// Whether rows have channels that tokens do not have.
    var isPadded: Bool { shape.hidden < shape.paddedHidden }
}

/// Format in which dispatched rows travel and arrive.
public enum DispatchFormat: String, CaseIterable, Hashable, Sendable {
    /// FP8 E4M3 with one scale for each 128 channels, see `ScaleFormat`.
    case float8
    /// BF16 as given.
    case bfloat16
}
