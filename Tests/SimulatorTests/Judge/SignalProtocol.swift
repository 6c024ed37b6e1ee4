import KernelLanguage
import Simulator

/// The protocol between the down GEMM and the combine send, small: a producer's two warps write a row and announce it
/// by a signal; a consumer polls the signal and fetches the row with a bulk copy. Every part can be left out or
/// weakened.
struct SignalProtocol {
    /// Rows leave through shared memory and bulk stores, or by plain stores.
    var bulkStores = true
    /// What is waited for after the bulk stores, before the signal.
    var storeWait: KernelBuilder.BulkStoreProgress? = .completed
    /// Whether they are waited for at the end where they are not before the signal.
    var waitsAtEnd = true
    /// The storing warps meet before one of them announces.
    var barrier = true
    var addOrder = MemoryOrder.Strength.release
    var addScope = MemoryScope.gpu
    var pollOrder = MemoryOrder.Strength.acquire
    var pollScope = MemoryScope.gpu
    /// The consumer has a proxy fence between poll and bulk copy.
    var consumerFence = true
    /// The signal comes after the row, and not before it.
    var rowFirst = true
    /// Steps on the same row and signal.
    var steps: UInt32 = 1
    /// The producer waits until the consumer has read the row of the step before.
    var waitsForReuse = true
    var reset = Reset.never
    /// Rank of the consumer; the producer is on rank 0.
    var consumerRank = 0

    /// One of the wrong variants.
    static var relaxedPoll: SignalProtocol {
        var variant = SignalProtocol()
        variant.pollOrder = .relaxed
        return variant
    }

    /// How the signal of one step is told from that of the next.
    enum Reset {
        /// It counts on.
        case never
        /// The consumer clears it before it gives the row back.
        case beforeGivingBack
        /// The consumer clears it afterwards.
        case afterGivingBack
    }

    private static let words = 64

    /// Producer and consumer.
    var kernels: [Kernel] { get throws { [try producer(), try consumer()] } }

    /// Runs the protocol; gives what the consumer read in the last step.
    ///
    /// - Parameter rewrite: What is done to each kernel before.
    func run(
        on machine: SimulatedMachine, rewriting rewrite: (Kernel) -> Kernel = { $0 }
    ) throws -> [UInt32] {
        let rows = try machine.allocate(bytes: Self.words * 4, label: "row")
        let signals = try machine.allocate(bytes: 16, label: "signals")
        let output = try machine.allocate(bytes: Self.words * 4, label: "output")
        try machine.fill(bytes: 16, value: 0, at: signals)
        let (first, second) = (
            machine.makeStream(label: "producer"), machine.makeStream(label: "consumer", rank: consumerRank)
        )
        try machine.enqueueLaunch(
            Program(rewrite(producer())), grid: 1, arguments: [.address(rows), .address(signals)], on: first)
        try machine.enqueueLaunch(
            Program(rewrite(consumer())), grid: 1, arguments: [.address(rows), .address(signals), .address(output)],
            on: second)
        try machine.synchronizeAll()
        return try machine.read(UInt32.self, count: Self.words, from: output)
    }

    /// What the consumer must have read.
    var expected: [UInt32] { (0..<UInt32(Self.words)).map { steps * 1_000 + $0 } }

    private var threshold: (Value<UInt32>) -> Value<UInt32> {
        { reset == .never ? $0 + 1 : $0 * 0 + 1 }
    }

    private func producer() throws -> Kernel {
        try KernelBuilder.build("producer", threads: 64) { k in
            let rows = k.pointerParameter("rows", to: UInt32.self)
            let signal = k.pointerParameter("signals", to: UInt32.self)
            let staging = k.shared(UInt32.self, count: Self.words, alignment: 128)
            k.for(to: Int(steps)) { step in
                k.if(k.isFirstThread && step > 0) {
                    if waitsForReuse {
                        poll(k, signal + 1) { $0 >= step }
                    }
                }
                k.syncThreads()
                let announce = {
                    k.if(k.isFirstThread) { k.atomicAdd(signal, 1, order: MemoryOrder(addOrder, addScope)) }
                }
                if !rowFirst { announce() }
                store(k, (step + 1) * 1_000 + k.threadIndex, staging, rows)
                if barrier { k.barrier(NamedBarrier(1), threads: 64) }
                if rowFirst { announce() }
                if bulkStores && storeWait == nil && waitsAtEnd {
                    k.if(k.isFirstLane) { k.bulkStoreWait(.completed) }
                }
            }
        }
    }

    private func store(
        _ k: KernelBuilder, _ value: Value<UInt32>, _ staging: SharedPointer<UInt32>, _ rows: Pointer<UInt32>
    ) {
        guard bulkStores else { return k.store(value, to: rows + k.threadIndex) }
        k.store(value, to: staging + k.threadIndex)
        k.proxyFence(.asyncShared)
        k.syncWarp()
        k.if(k.isFirstLane) {
            let first = (k.threadIndex >> 5) * 32
            k.bulkStore(staging + first, to: rows + first, bytes: k.constant(UInt32(128)))
            k.bulkStoreCommit()
            if let storeWait { k.bulkStoreWait(storeWait) }
        }
    }

    private func consumer() throws -> Kernel {
        try KernelBuilder.build("consumer", threads: 32) { k in
            let rows = k.pointerParameter("rows", to: UInt32.self)
            let signal = k.pointerParameter("signals", to: UInt32.self)
            let output = k.pointerParameter("output", to: UInt32.self)
            let row = k.shared(UInt32.self, count: Self.words, alignment: 128)
            let arrived = MemoryBarrier(k.memoryBarriers(count: 1))
            k.if(k.isFirstLane) {
                k.initialise(arrived, arrivals: 1)
                k.proxyFence(.barrierInit)
            }
            k.syncWarp()
            k.for(to: Int(steps)) { step in
                k.if(k.isFirstLane) {
                    poll(k, signal) { $0 >= threshold(step) }
                    if consumerFence { k.proxyFence(.asyncGlobal) }
                    k.arrive(arrived, expecting: Self.words * 4)
                    k.bulkLoad(rows, to: row, bytes: k.constant(UInt32(Self.words * 4)), barrier: arrived)
                }
                k.wait(arrived, parity: step & 1)
                for half in 0..<2 {
                    k.store(k.load(row + (k.lane + half * 32)), to: output + (k.lane + half * 32))
                }
                k.syncWarp()
                k.if(k.isFirstLane) {
                    let clear = { k.store(k.constant(UInt32(0)), to: signal, order: .relaxed(.gpu)) }
                    if reset == .beforeGivingBack { clear() }
                    k.store(step + 1, to: signal + 1, order: .release(addScope))
                    if reset == .afterGivingBack { clear() }
                }
            }
        }
    }

    private func poll(_ k: KernelBuilder, _ word: Pointer<UInt32>, until isDone: (Value<UInt32>) -> Condition) {
        k.loop {
            k.breakIf(isDone(k.load(word, order: MemoryOrder(pollOrder, pollScope))))
            k.sleep(nanoseconds: 40)
        }
    }
}
