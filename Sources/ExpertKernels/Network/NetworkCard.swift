import KernelLanguage

/// Further parameters of a kernel that reaches ranks through modelled cards; see `NetworkCard`.
package struct NetworkCardParameters: KernelParameters {
    /// UInt64 `[1]` of the rank: device time in nanoseconds until which its card is busy.
    package var cardBusy: MemoryParameter<UInt64>

    /// The state of the rank's card.
    package init(cardBusy: MemoryParameter<UInt64>) { self.cardBusy = cardBusy }
}

/// The words by which a rank knows that the network has brought it something.
enum NetworkWord {
    /// One of `RankWindow.rowCounts`.
    case rowCount
    /// One of `RankWindow.landedRows`.
    case rows
    /// One of `RankWindow.landedResults`.
    case result
}

/// A rank's modelled network card.
///
/// Like a real one, it does not hold up the sender: a message gets its time of arrival when it is issued, and the
/// loopback adapter brings it at once. Each word that the adapter adds to or puts has another one in the same window,
/// which says when it would have arrived. That is written first, so whoever acquires the word knows it, and waits until
/// then; and it is written anew only when the receiver has answered to what the word said.
struct NetworkCard {
    let model: NetworkModel
    private let window: RankWindow
    /// Device time in nanoseconds until which the card is busy.
    private let busyUntil: Pointer<UInt64>

    /// Declares the parameter where `window` has such cards; nil where it has none.
    init?(_ k: KernelBuilder, _ window: RankWindow) {
        guard let model = window.networkModel else { return nil }
        self.model = model
        self.window = window
        busyUntil = k.parameters(NetworkCardParameters.self).cardBusy
    }

    /// Issues a message of `bytes` to the card, and stores when it arrives. Each active lane does so for itself, before
    /// the message is sent by loads and stores.
    ///
    /// - Parameter word: The word that the message adds to or puts.
    func send(_ k: KernelBuilder, bytes: Int, _ kind: NetworkWord, at word: Pointer<UInt64>) {
        _ = k.atomic(.maximum, busyUntil, k.globalTimer, order: .relaxed(.gpu))
        let gap = k.constant(UInt64(model.gap(bytes: bytes)))
        let start = k.atomic(.add, busyUntil, gap, order: .relaxed(.gpu))
        let arrival = start + model.transit(bytes: bytes)
        switch kind {
        case .rowCount, .result: k.store(arrival, to: due(kind, of: word))
        // A word that counts several messages has the time of the last.
        case .rows: _ = k.atomic(.maximum, due(kind, of: word), arrival, order: .relaxed(.gpu))
        }
    }

    /// UInt64: device time in nanoseconds at which all that the word announces has arrived.
    private func due(_ kind: NetworkWord, of word: Pointer<UInt64>) -> Pointer<UInt64> {
        let (words, dues) =
            switch kind {
            case .rowCount: (window.rowCounts, window.rowCountsDue)
            case .rows: (window.landedRows, window.landedRowsDue)
            case .result: (window.landedResults, window.landedResultsDue)
            }
        return word + (dues.offset - words.offset) / 8
    }

    /// Waits until what a word announces has arrived from `source`.
    ///
    /// - Parameters:
    ///   - wait: The wait for the word itself.
    ///   - subject: The subject of that wait.
    ///   - timed: Whether that wait was timed.
    /// - Returns: Both waits as one.
    func awaitArrival(
        _ k: KernelBuilder, _ watchdog: Watchdog, after wait: Watchdog.Wait, for subject: Watchdog.Subject,
        _ kind: NetworkWord, at word: Pointer<UInt64>, from source: Value<UInt32>, timed: Bool
    ) -> Watchdog.Wait {
        let arrived = k.variable(wait.arrived)
        let time = wait.nanoseconds.map { k.variable($0) }
        k.if(wait.arrived) {
            let due = k.load(self.due(kind, of: word))
            let arrival = watchdog.wait(k, for: subject, until: due, source: source, timed: timed)
            arrived.value = arrival.arrived
            if let waited = arrival.nanoseconds { time?.add(waited) }
        }
        return Watchdog.Wait(
            arrived: arrived.value, unreadyPolls: wait.unreadyPolls, nanoseconds: time?.value)
    }
}
