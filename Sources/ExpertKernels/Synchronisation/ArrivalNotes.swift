import KernelLanguage

/// Words of a rank's own window in which its kernels note which ranks they waited for, and how long; see
/// `RankWindow.notesArrivals`. They add up over steps.
///
/// UInt64 `[3, ranks, 3]`: for each `ArrivalKind` and source rank, the number of waits that found nothing at first,
/// their nanoseconds together, and those of the longest. Then UInt64 `[rankExperts]`: rows that each expert received.
package struct ArrivalNotes {
    /// Words for one kind and source.
    package static let wordsOfSource = 3

    private let words: Pointer<UInt64>
    private let shape: LayerShape

    /// nil where nothing is to be noted; kernels then have no code for it.
    init?(_ window: RankWindow, own: Pointer<UInt32>) {
        guard window.notesArrivals else { return nil }
        words = window.arrivalNotes.pointer(in: own)
        shape = window.shape
    }

    /// Number of words of all notes.
    package static func count(_ shape: LayerShape) -> Int { rowsOfExpert(shape) + shape.rankExperts }

    /// Index of the first of the rows of experts.
    package static func rowsOfExpert(_ shape: LayerShape) -> Int {
        ArrivalKind.allCases.count * shape.ranks * wordsOfSource
    }

    /// Notes a timed wait for `source`, unless it ended at once.
    func note(
        _ k: KernelBuilder, _ kind: ArrivalKind, source: Value<UInt32>, nanoseconds: Value<UInt64>?
    ) {
        guard let nanoseconds else { return }
        k.if(nanoseconds > 0) {
            let place = words + (source + kind.rawValue * shape.ranks) * Self.wordsOfSource
            k.atomicAdd(place, 1, order: .relaxed(.gpu))
            k.atomicAdd(place + 1, nanoseconds, order: .relaxed(.gpu))
            _ = k.atomic(.maximum, place + 2, nanoseconds, order: .relaxed(.gpu))
        }
    }

    /// Adds to the rows that a local expert has received.
    func note(_ k: KernelBuilder, rows: Value<UInt32>, expert: Value<UInt32>) {
        k.atomicAdd(words + (expert + Self.rowsOfExpert(shape)), rows.wide, order: .relaxed(.gpu))
    }
}

/// The kinds of data that one rank waits for from another.
public enum ArrivalKind: Int, CaseIterable, Hashable, Sendable {
    /// Row counts, which the source publishes when it begins its step.
    case counts
    /// Rows for the rank's experts.
    case rows
    /// Rows of the rank's tokens that come home from its experts.
    case results
}
