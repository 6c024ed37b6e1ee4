import KernelLanguage

/// Ends waits on memory that take too long, so that no kernel hangs.
struct Watchdog {
    /// The rank's fault record, `WaitFault.words` UInt64.
    let record: Pointer<UInt64>
    /// Nanoseconds that a wait may take.
    let limit: Value<UInt64>
    /// The kernel, as its faults name it.
    let kernel: StepPhase

    /// The watchdog of a kernel, with its parameters.
    init(_ parameters: KernelParameterValues<WatchdogParameters>, _ kernel: StepPhase) {
        record = parameters.faultRecord
        limit = parameters.waitLimit
        self.kernel = kernel
    }

    /// What is waited for, for the record.
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

    /// What one poll found.
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

    /// How a wait went.
    struct Wait {
        /// Whether it ended well.
        let arrived: Condition
        /// Polls that found the value not there yet.
        let unreadyPolls: Value<UInt32>
        /// How long it took, if it was timed; 0 where the value was there, or never came.
        let nanoseconds: Value<UInt64>?
    }

    /// Polls until `poll` reports that the wait is over, or the deadline has passed. Lanes wait independently.
    ///
    /// - Parameters:
    ///   - timed: Whether it is to be known how long each lane waited.
    ///   - poll: Reads memory with acquire; gives whether the wait is over.
    func wait(
        _ k: KernelBuilder, for subject: Subject, timed: Bool = false,
        poll: () -> Poll
    ) -> Wait {
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

    /// The first failed wait of a rank writes the record.
    private func report(_ k: KernelBuilder, _ subject: Subject, _ poll: Poll) {
        let before = k.atomicCompareAndSwap(
            record, expected: k.constant(UInt64(0)), value: k.constant(UInt64(1)), order: .relaxed(.gpu))
        k.if(before == 0) {
            k.store(k.constant(UInt64(kernel.rawValue)), to: record + 1)
            k.store(k.constant(subject.kind.rawValue), to: record + 2)
            k.store(subject.expert.wide, to: record + 3)
            k.store(subject.place.wide, to: record + 4)
            k.store(poll.source?().wide ?? k.constant(UInt64(0)), to: record + 5)
            k.store(subject.expected, to: record + 6)
            k.store(poll.seen(), to: record + 7)
            k.store(k.globalTimer, to: record + 8)
        }
    }
}
