import KernelLanguage

/// Follows a machine's run with PTX's memory model: which accesses come before which in causality order, and which
/// stores a load may read from.
///
/// Plain accesses that conflict must be ordered; if they are not, that is a race, whatever the schedule made of it, and
/// stops the machine. Strong loads (relaxed and acquire) may read any store that the model allows, and the schedule
/// chooses which.
final class Judge {
    unowned(unsafe) let machine: SimulatedMachine
    @exclusivity(unchecked) var schedule: ScheduleDriver
    /// Whether relaxed loads and stores may be postponed.
    let postponesAccesses: Bool
    /// Whether races are followed rather than reported.
    let followsRaces: Bool
    /// For that: the words' histories, in the order in which they came up, and threads by slot and lane.
    @exclusivity(unchecked) var histories: [WordHistory] = []
    @exclusivity(unchecked) var followedLanes: [UInt64: FollowedLane] = [:]
    /// A postponed access had no consistent place left: what ran is no execution of the model.
    var isAbandoned = false

    /// By slot; slot 0 is nobody's.
    @exclusivity(unchecked) var owners: [SlotOwner] = []
    /// Grows when everything that ran is over and seen by the host: what came before is ordered with all that follows.
    @exclusivity(unchecked) var era = 0
    /// Words that threads synchronise with, by their places in the simulator's memory.
    @exclusivity(unchecked) var locations: [UInt: SyncLocation] = [:]
    /// Reads of granules that several threads read.
    @exclusivity(unchecked) var readLists: [[MemoryEvent]] = []
    /// What the host knows: work that it has waited for.
    @exclusivity(unchecked) var host = View()
    @exclusivity(unchecked) var hostStream: StreamState?
    @exclusivity(unchecked) var edges = EdgeLog()
    /// For slots of stores: up to which of their times some thread has waited for them.
    @exclusivity(unchecked) var waitedFor: [UInt32: UInt32] = [:]
    /// What is known of network transfers, by the slots of their reading and writing; and of puts by lane.
    @exclusivity(unchecked) var transfers: [UInt32: JudgedTransfer] = [:]
    @exclusivity(unchecked) var puts: [NetworkLane: [JudgedTransfer]] = [:]
    /// What was written on each connection so far, where kernels may rely on that order.
    @exclusivity(unchecked) var connectedWrites: [NetworkLane: VectorClock] = [:]
    /// Sequentially consistent fences of the era, in the order in which they happened.
    @exclusivity(unchecked) var sequentialFences = SequentialFences()
    /// By program.
    private(set) var reached: [ObjectIdentifier: ReachedSteps] = [:]
    private var blockNumber = 0
    /// The order of synchronising operations so far.
    var interleaving = Interleaving()

    init(_ machine: SimulatedMachine, schedule: Schedule, postponesAccesses: Bool, followsRaces: Bool) {
        self.machine = machine
        self.schedule = ScheduleDriver(schedule)
        self.postponesAccesses = postponesAccesses
        self.followsRaces = followsRaces
        forgetOwners()
    }

    private func forgetOwners() {
        owners = [
            SlotOwner(
                kind: .host, program: nil, run: -1, stream: "", rank: 0, block: 0, warp: 0, blockNumber: -1,
                clusterNumber: -1,
                stableNumber: 0)
        ]
    }

    /// Everything is complete and the host knows it.
    func startEra() {
        if followsRaces { settleRaces() }
        era += 1
        forgetOwners()
        locations = [:]
        readLists = []
        waitedFor = [:]
        (transfers, puts, connectedWrites) = ([:], [:], [:])
        edges = EdgeLog()
        sequentialFences = SequentialFences()
        host = View()
        for stream in machine.streams {
            (stream.clock, stream.hostClock) = (View(), View())
            (stream.hostSlot, stream.hostTime) = (0, 0)
        }
        for case let record? in machine.recordings.values { record.clock = View() }
    }

    @inline(__always)
    func owner(_ slot: UInt32) -> SlotOwner { owners[Int(slot)] }

    /// Whether a scope around the thread of one slot has that of the other in it.
    @inline(__always)
    func includes(_ slot: UInt32, _ other: UInt32, _ scope: MemoryScope) -> Bool {
        owners[Int(slot)].includes(owners[Int(other)], scope)
    }

    func makeSlot(_ owner: SlotOwner) -> UInt32 {
        owners.append(owner)
        return UInt32(owners.count - 1)
    }

    /// The steps of a program that warps have reached.
    func reachedSteps(of program: ProgramStorage) -> ReachedSteps {
        let key = ObjectIdentifier(program)
        if let known = reached[key] { return known }
        let steps = ReachedSteps(program)
        reached[key] = steps
        return steps
    }

    /// A new block and its warps, which know what their kernel knew when it started.
    func start(_ block: BlockState) {
        blockNumber += 1
        // Blocks of a cluster start one after the other.
        let judged = JudgedBlock(number: blockNumber, cluster: blockNumber - block.clusterRank)
        block.judged = judged
        for warp in block.warps {
            let slot = makeSlot(owner(.warp, of: warp, judged))
            block.run.slots.append(slot)
            warp.judged = JudgedWarp(slot: slot, warp: warp, view: block.run.startClock)
        }
    }

    private func owner(_ kind: SlotOwner.Kind, of warp: Warp, _ judged: JudgedBlock) -> SlotOwner {
        let run = warp.block.run
        return SlotOwner(
            kind: kind, program: run.program, run: run.number, stream: run.stream.label, rank: run.stream.rank,
            block: warp.block.index,
            warp: warp.index, blockNumber: judged.number, clusterNumber: judged.cluster,
            stableNumber: Interleaving.mix(UInt64(run.number), UInt64(warp.block.index << 8 | warp.index)))
    }

    /// A slot for asynchronous work of the warp.
    func makeSlot(_ kind: SlotOwner.Kind, of warp: Warp) -> UInt32 {
        guard let judged = warp.block.judged else { return 0 }
        let slot = makeSlot(owner(kind, of: warp, judged))
        warp.block.run.slots.append(slot)
        return slot
    }

    /// The block has ended: its shared memory is nobody's any more.
    func finish(_ block: BlockState) {
        for store in block.warps.flatMap({ $0.judged?.unperformedStores ?? [] })
        where waitedFor[store.slot] ?? 0 < store.reading.time {
            failUnread(store)
            break
        }
        guard let shadow = block.shared.pointee.shadow, shadow.pointee.hasLocations else { return }
        forgetLocations(UInt(bitPattern: block.shared.pointee.data), block.shared.pointee.bytes)
    }

    /// The shadow of a region, of the current era.
    @inline(__always)
    func shadow(_ region: UnsafeMutablePointer<Region>) -> UnsafeMutablePointer<Shadow> {
        if let shadow = region.pointee.shadow {
            shadow.pointee.enter(era)
            return shadow
        }
        return makeShadow(region)
    }

    private func makeShadow(_ region: UnsafeMutablePointer<Region>) -> UnsafeMutablePointer<Shadow> {
        let shadow = UnsafeMutablePointer<Shadow>.allocate(capacity: 1)
        shadow.initialize(to: Shadow(bytes: region.pointee.backing.pointee.bytes, era: era))
        region.pointee.shadow = shadow
        return shadow
    }
}

/// What the judge keeps of a block.
final class JudgedBlock {
    let number: Int
    let cluster: Int
    /// What those that have arrived at named barriers know.
    var barriers = [View?](repeating: nil, count: 16)
    var mbarriers: [UInt32: JudgedBarrier] = [:]

    init(number: Int, cluster: Int) {
        self.number = number
        self.cluster = cluster
    }
}

/// What the judge keeps of an mbarrier.
struct JudgedBarrier {
    let initialised: MemoryEvent
    /// Fences after the initialisation, which the asynchronous proxy needs.
    var fences: [MemoryEvent] = []
    /// What those that have arrived in the current phase know, and those of the last one.
    var arriving = View()
    var completed = View()
}
