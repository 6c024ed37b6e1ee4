import KernelLanguage

/// The rows of a rank's experts as they arrive.
struct ArrivingRows {
    let counts: RowCounts
    let rank: Value<UInt32>
    /// The rank's own window.
    let own: Pointer<UInt32>
    let watchdog: Watchdog
    let step: StepCounter
    /// Totals of the time waited for rows; nil for none.
    private let waits: WaitTotals?

    /// Reads the number of the step.
    init(
        _ k: KernelBuilder, _ parameters: KernelParameterValues<ArrivingParameters>, _ window: RankWindow,
        watchdog: Watchdog, waits: WaitTotals? = nil
    ) {
        self.waits = waits
        own = parameters.window
        rank = parameters.rank
        step = StepCounter(parameters.step)
        counts = RowCounts(window: window, step: step.current(k))
        self.watchdog = watchdog
    }

    /// Row count of a local expert, from all ranks; waits until they have published theirs.
    func count(_ k: KernelBuilder, expert: Value<UInt32>) -> Value<UInt32> {
        guard counts.window.masks else { return counts.total(k, own, watchdog, expert: number(of: expert)) }
        let agreed = AgreedCounts(window: counts.window, own: own, step: counts.step)
        return agreed.await(k, watchdog, expert: expert, number: number(of: expert))
    }

    private func number(of local: Value<UInt32>) -> Value<UInt32> {
        ExpertNumbers(shape: counts.window.shape).number(rank: rank, local: local)
    }

    /// Waits until a row of a local expert is there, or will not come. Lanes wait independently.
    func await(_ k: KernelBuilder, expert: Value<UInt32>, row: Value<UInt32>) {
        if counts.window.masks { return awaitUnpacked(k, expert: expert, row: row) }
        let window = counts.window
        let shape = window.shape
        let place = expert.multiply(shape.maxRows, add: row)
        let subject = Watchdog.Subject(kind: .row, expert: expert, place: row, expected: counts.step.wide)
        let notes = ArrivalNotes(window, own: own)
        let isTimed = notes != nil || waits != nil
        let wait = watchdog.wait(k, for: subject, timed: isTimed) {
            let step = k.load(window.arrivals.pointer(in: own) + place, order: .acquire(.system)).halves.high
            return .init(step == counts.step, seen: step.wide) {
                counts.source(k, own, ofRow: row, expert: number(of: expert))
            }
        }
        if window.link == nil, !isTimed { return }
        let waited = wait.nanoseconds.map { k.variable($0) }
        k.if(wait.arrived) {
            let source = k.load(window.sourceInfo.pointer(in: own) + place).halves.high
            if let link = window.link {
                k.if(source != rank) {
                    // Published before the source's counts, which this thread has seen.
                    let start = k.load(window.linkStarts.pointer(in: own) + counts.linkStart(source: source))
                    let carried = k.load(window.linkPositions.pointer(in: own) + place) + 1
                    let transfer = PacedLink.nanoseconds(link, bytes: window.dispatchedBytes, times: carried)
                    let delivery = watchdog.wait(
                        k, for: subject, until: start + transfer + link.latencyNanoseconds, source: source,
                        timed: isTimed)
                    if let time = delivery.nanoseconds { waited?.add(time) }
                }
            }
            notes?.note(k, .rows, source: source, nanoseconds: waited?.value)
            waits?.add(k, source: source, nanoseconds: waited?.value)
        }
    }

    /// The same where the unpack kernel puts rows in their places.
    private func awaitUnpacked(_ k: KernelBuilder, expert: Value<UInt32>, row: Value<UInt32>) {
        let place = expert.multiply(counts.window.shape.maxRows, add: row)
        let subject = Watchdog.Subject(kind: .row, expert: expert, place: row, expected: counts.step.wide)
        _ = watchdog.wait(k, for: subject) {
            let step = k.load(counts.window.arrivals.pointer(in: own) + place, order: .acquire(.gpu)).halves.high
            return .init(step == counts.step, seen: step.wide)
        }
    }
}
