import KernelLanguage

/// Ends waits on memory that take too long, so that no kernel hangs.
struct Watchdog {
    /// The rank's fault record, `WaitFault.words` UInt64.
    let record: Pointer<UInt64>
    /// Nanoseconds that a wait may take.
    let limit: Value<UInt64>
    /// The kernel, as its faults name it.
    let kernel: StepPhase
    /// Masks of ranks that are waited for in vain; nil where every such wait is a fault.
    let masks: RankMasks?

    /// The watchdog of a kernel, with its parameters.
    init(
        _ parameters: KernelParameterValues<WatchdogParameters>, _ kernel: StepPhase, masks: RankMasks? = nil
    ) {
        record = parameters.faultRecord
        limit = parameters.waitLimit
        self.kernel = kernel
        self.masks = masks
    }

    /// The subject of a wait, for the record.
    struct Subject {
        let kind: WaitKind
        /// Number of the expert, as the kind has it.
        let expert: Value<UInt32>
        /// Row, row block or token; 0 where there is none.
        let place: Value<UInt32>
        let expected: Value<UInt64>

        /// The same with another value that would end the wait.
        func expecting(_ value: Value<UInt64>) -> Subject {
            Subject(kind: kind, expert: expert, place: place, expected: value)
        }
    }

    /// The result of one poll.
    struct Poll {
        let done: Condition
        /// For a record: the value seen, and the rank that is waited for. Only called where the wait is given up.
        let seen: () -> Value<UInt64>
        let source: (() -> Value<UInt32>)?

        init(
            _ done: Condition, seen: @autoclosure @escaping () -> Value<UInt64>,
            source: (() -> Value<UInt32>)? = nil
        ) {
            self.done = done
            self.seen = seen
            self.source = source
        }
    }

    /// The result of a wait.
    struct Wait {
        /// Whether the awaited value came.
        let arrived: Condition
        /// Polls that found the value not there yet.
        let unreadyPolls: Value<UInt32>
        /// How long it took, if it was timed; 0 where the value was there, or never came.
        let nanoseconds: Value<UInt64>?
    }

    /// Polls until `poll` reports that the wait is over, or the deadline has passed. Lanes wait independently.
    ///
    /// - Parameters:
    ///   - source: The rank that is waited for; nil for a kernel of the own rank. Used with `masks` only.
    ///   - timed: Whether to measure how long each lane waits.
    ///   - poll: Reads memory with acquire; returns whether the wait is over.
    func wait(
        _ k: KernelBuilder, for subject: Subject, from source: Value<UInt32>? = nil, timed: Bool = false,
        poll: () -> Poll
    ) -> Wait {
        if let masks { return wait(k, for: subject, from: source, or: masks, timed: timed, poll: poll) }
        let arrived = k.variable(false)
        let polls = k.variable(UInt32(0))
        let time = timed ? k.variable(UInt64(0)) : nil
        let start = k.globalTimer
        k.loop {
            let poll = poll()
            k.if(poll.done) {
                arrived.value = k.constant(true)
                if let time { k.if(polls.value > 0) { time.value = k.globalTimer - start } }
            }
            k.breakIf(poll.done)
            polls.add(1)
            // Once a wait of this rank has failed, the others need not run into their own deadlines one by one.
            let late = (k.globalTimer - start) > limit
            let failed = k.load(record, order: .relaxed(.gpu)) != 0
            k.if(late) { report(k, subject, poll) }
            k.breakIf(late || failed)
            k.sleep(nanoseconds: 40)
        }
        return Wait(arrived: arrived.value, unreadyPolls: polls.value, nanoseconds: time?.value)
    }

    /// The same where ranks are masked. A wait for another rank ends without an arrival as soon as that rank is masked,
    /// and masks it when `Patience` with it is over or it tells that it has masked this one. Waits for kernels of the
    /// own rank fail as elsewhere.
    private func wait(
        _ k: KernelBuilder, for subject: Subject, from source: Value<UInt32>?, or masks: RankMasks, timed: Bool,
        poll: () -> Poll
    ) -> Wait {
        let arrived = k.variable(false)
        let polls = k.variable(UInt32(0))
        let time = timed ? k.variable(UInt64(0)) : nil
        let start = k.globalTimer
        let patience = Patience(k, masks, limit: limit, source: source, from: start)
        let notice = source.map { masks.notices(k) + $0 }
        k.loop {
            let poll = poll()
            k.if(poll.done) {
                arrived.value = k.constant(true)
                if let time { k.if(polls.value > 0) { time.value = k.globalTimer - start } }
            }
            k.breakIf(poll.done)
            polls.add(1)
            let isOver = k.variable(k.load(record, order: .relaxed(.gpu)) != 0)
            if let source { isOver.value = isOver.value || masks.hasMasked(k, source) }
            let isTold = notice.map { k.load($0, order: .relaxed(.system)) != 0 }
            let isPatient = !patience.isOver(k, at: k.globalTimer)
            let late = !isOver.value && (isTold.map { $0 || !isPatient } ?? !isPatient)
            k.if(late) {
                let masked = source.map { source in
                    Pointer<UInt64>(
                        bits: (source == masks.rank).select(record.bits, masks.record(of: source).bits))
                }
                report(k, subject, poll, in: masked ?? record, source: source ?? masks.rank)
                if let source {
                    k.if(source != masks.rank) {
                        masks.tell(k, source)
                    }
                }
            }
            k.breakIf(late || isOver.value)
            k.sleep(nanoseconds: 40)
        }
        return Wait(arrived: arrived.value, unreadyPolls: polls.value, nanoseconds: time?.value)
    }

    /// The first failed wait of a rank writes the record.
    private func report(_ k: KernelBuilder, _ subject: Subject, _ poll: Poll) {
        report(k, subject, poll, in: record, source: poll.source?())
    }

    private func report(
        _ k: KernelBuilder, _ subject: Subject, _ poll: Poll, in record: Pointer<UInt64>,
        source: @autoclosure () -> Value<UInt32>?
    ) {
        let before = k.atomicCompareAndSwap(
            record, expected: k.constant(UInt64(0)), value: k.constant(UInt64(1)), order: .relaxed(.gpu))
        k.if(before == 0) {
            k.store(k.constant(UInt64(kernel.rawValue)), to: record + 1)
            k.store(k.constant(subject.kind.rawValue), to: record + 2)
            k.store(subject.expert.wide, to: record + 3)
            k.store(subject.place.wide, to: record + 4)
            k.store(source()?.wide ?? k.constant(UInt64(0)), to: record + 5)
            k.store(subject.expected, to: record + 6)
            k.store(poll.seen(), to: record + 7)
            k.store(k.globalTimer, to: record + 8)
        }
    }
}
