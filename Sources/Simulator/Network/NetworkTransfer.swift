import KernelLanguage

/// One direction between two ranks on one channel: the operations of a queue.
struct NetworkLane: Hashable {
    let rank: Int
    let peer: Int
    let channel: Int

    /// Whether `rank` is one of its ends.
    func involves(_ rank: Int) -> Bool { self.rank == rank || peer == rank }
}

/// A network operation under way. It may outlive the kernel that issued it.
final class NetworkTransfer {
    /// Bytes to copy.
    struct Payload {
        let source: UInt64
        let target: UInt64
        let bytes: Int
    }

    /// The change of a word of the peer, after the payload.
    struct WordChange {
        let address: UInt64
        let value: UInt64
        let isAdd: Bool
    }

    /// Grows from transfer to transfer.
    let number: UInt64
    let lane: NetworkLane
    let payload: Payload?
    let word: WordChange?
    /// Where it was issued.
    let place: ExecutionPlace
    /// Offsets in the payload: a piece is what lies between two neighbours.
    let cuts: [Int]
    /// What each piece's source held.
    var staged: [Region?]
    /// Pieces that have not been read, and that have not been written.
    var unread: Int
    var unwritten: Int
    /// What a judge knows of it.
    var judged: JudgedTransfer?

    init(
        number: UInt64, lane: NetworkLane, payload: Payload?, word: WordChange?, place: ExecutionPlace, pieces: Int
    ) {
        self.number = number
        self.lane = lane
        self.payload = payload
        self.word = word
        self.place = place
        let units = (payload?.bytes ?? 0) / 16
        cuts = (0...pieces).map { pieces == 0 ? 0 : units * $0 / pieces * 16 }
        staged = [Region?](repeating: nil, count: pieces)
        unread = pieces
        unwritten = pieces
    }

    deinit { for region in staged { region?.deallocate() } }

    /// Pieces of its payload.
    var pieces: Int { staged.count }

    /// The bytes of a piece.
    func range(_ piece: Int) -> Range<Int> { cuts[piece]..<cuts[piece + 1] }
}

/// One thing that the network does for a transfer.
struct NetworkAction {
    /// What it does.
    enum Part {
        /// Reads the source of a piece.
        case read(Int)
        /// Writes a piece to its target.
        case write(Int)
        /// Changes the word.
        case word
    }

    let transfer: NetworkTransfer
    let part: Part

    /// For schedules: a number that stays the same as long as the transfer lives.
    var agent: UInt32 {
        guard let judged = transfer.judged else { return 0 }
        if case .read = part { return judged.reading.slot }
        return judged.writing.slot
    }
}
