import KernelLanguage

/// The kernels that wait on memory, as fault records name them.
public enum WaitingKernel: UInt64, CaseIterable, Hashable, Sendable {
    /// The combine send waiting for a block of the down GEMM: what usually is the cause when several wait.
    case combineSend = 1
    /// The dispatch receive, or the GEMM in its place, waiting for a row of an expert.
    case dispatchReceive = 2
    /// The combine receive waiting for an expert's row of a token.
    case combineReceive = 3
    /// A grouped GEMM waiting for sums of a tile that another block of its grid began.
    case groupedGEMM = 4
    /// The dispatch send waiting for the number of rows that another rank sends to an expert.
    case dispatchSend = 5
}

/// A wait that passed its deadline, as the kernel recorded it.
public struct WaitFault: Hashable, Sendable {
    /// The rank that waited.
    public var rank: Int
    /// The kernel that waited.
    public var kernel: WaitingKernel
    /// Global number of the expert it waited for.
    public var expert: Int
    /// Combine send and grouped GEMM: block of rows; dispatch send: source rank; dispatch receive: row of the expert;
    /// combine receive: token.
    public var block: Int
    /// The value that would have ended the wait.
    public var expected: UInt64
    /// The value last seen.
    public var seen: UInt64
    /// Device clock in nanoseconds when the wait was given up.
    public var time: UInt64

    /// UInt64 words of a fault record in device memory; word 0 is nonzero once a wait has failed.
    public static let words = 8

    /// Reads a record; nil when no wait has failed.
    public init?(record: [UInt64], rank: Int) {
        guard record.count == Self.words, record[0] != 0, let kernel = WaitingKernel(rawValue: record[1]) else {
            return nil
        }
        self.rank = rank
        self.kernel = kernel
        expert = Int(record[2])
        block = Int(record[3])
        expected = record[4]
        seen = record[5]
        time = record[6]
    }
}

/// Ends waits on memory that take too long, so that no kernel hangs.
struct Watchdog {
    /// The rank's fault record, `WaitFault.words` UInt64.
    let record: Pointer<UInt64>
    /// Nanoseconds that a wait may take.
    let limit: Value<UInt64>
    private(set) var kernel: WaitingKernel

    /// Declares the two parameters that every waiting kernel has.
    init(_ k: KernelBuilder, _ kernel: WaitingKernel) {
        record = k.pointerParameter("faultRecord", to: UInt64.self)
        limit = k.parameter("waitLimit", UInt64.self)
        self.kernel = kernel
    }

    /// The same for waits of another kind in the same kernel.
    func named(_ kernel: WaitingKernel) -> Watchdog {
        var other = self
        other.kernel = kernel
        return other
    }

    /// What is waited for, for the record.
    struct Subject {
        let expert: Value<UInt32>
        let block: Value<UInt32>
        let expected: Value<UInt64>
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
    ///   - poll: Reads memory with acquire; gives whether the wait is over, and the value seen.
    func wait(
        _ k: KernelBuilder, for subject: Subject, timed: Bool = false,
        poll: () -> (done: Condition, seen: Value<UInt64>)
    ) -> Wait {
        let arrived = k.variable(k.constant(false))
        let polls = k.variable(k.constant(UInt32(0)))
        let time = timed ? k.variable(k.constant(UInt64(0))) : nil
        let start = k.globalTimer
        k.loop {
            let (done, seen) = poll()
            k.if(done) {
                arrived.value = k.constant(true)
                if let time { k.if(polls.value > 0) { time.value = k.globalTimer - start } }
            }
            k.breakIf(done)
            polls.add(1)
            // Once a wait of this rank has failed, the others need not run into their own deadlines one by one.
            let late = (k.globalTimer - start) > limit
            let failed = k.load(record, order: .relaxed(.gpu)) != 0
            k.if(late) { report(k, subject, seen) }
            k.breakIf(late || failed)
            k.sleep(nanoseconds: 40)
        }
        return Wait(arrived: arrived.value, unreadyPolls: polls.value, nanoseconds: time?.value)
    }

    /// The first failed wait of a rank writes the record.
    private func report(_ k: KernelBuilder, _ subject: Subject, _ seen: Value<UInt64>) {
        let before = k.atomicCompareAndSwap(
            record, expected: k.constant(UInt64(0)), value: k.constant(UInt64(1)), order: .relaxed(.gpu))
        k.if(before == 0) {
            k.store(k.constant(kernel.rawValue), to: record + 1)
            k.store(subject.expert.wide, to: record + 2)
            k.store(subject.block.wide, to: record + 3)
            k.store(subject.expected, to: record + 4)
            k.store(seen, to: record + 5)
            k.store(k.globalTimer, to: record + 6)
        }
    }
}
