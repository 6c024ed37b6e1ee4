import KernelLanguage

/// 32 lanes of a resident block, and what they have under way.
final class Warp {
    /// Whether the warp can run, and if not, what it waits for.
    enum State {
        case runnable
        case barrier(Int)
        case clusterBarrier
        case mbarrier(address: UInt32, parity: UInt32)
        case bulk(pending: Int, reading: Bool)
        case multiply(pending: Int)
        case dependentLaunch
        case networkQueue(NetworkLane)
        case networkFlush(NetworkLane)
        case sleeping
        case finished
    }

    unowned(unsafe) let block: BlockState
    /// Index in the block.
    let index: Int
    let core: UnsafeMutablePointer<WarpCore>
    private let storage: UnsafeMutableRawPointer
    private let lists: UnsafePointer<Int32>
    let float8Table: UnsafePointer<Float>

    @exclusivity(unchecked) var state = State.runnable
    /// Place in the machine's list of runnable warps.
    @exclusivity(unchecked) var runnableIndex = -1
    /// Counts the waits, so that a timer knows whether the wait it was set for is over.
    @exclusivity(unchecked) var wait: UInt32 = 0
    /// A try-wait on an mbarrier is under way, and its time limit is set.
    var hasWaitLimit = false
    /// Try-waits ended, so that a limit knows whether the one it was set for is over.
    var tryWaits: UInt32 = 0
    /// That limit has passed.
    var waitLimitPassed = false
    /// Lanes that have issued their part of the warp's current network operation.
    var asked: UInt32 = 0
    /// The last transfer that the warp's current flush covers.
    var flushing: UInt64?
    /// Bulk groups of each lane; lanes without any have none.
    var bulkGroups = BulkGroups()
    /// Multiplies under way.
    var multiplies = MultiplyQueue()
    /// What a judge knows of it.
    @exclusivity(unchecked) var judged: JudgedWarp?
    /// For a judge: postponed accesses, and steps since the last of them.
    var postponed: [PostponedAccess] = []
    var stepsPostponed = 0
    /// Cluster barriers arrived at.
    var clusterArrivals = 0

    init(block: BlockState, index: Int, run: KernelRun, machine: SimulatedMachine) {
        self.block = block
        self.index = index
        let program = run.program
        lists = program.lists
        float8Table = program.float8Table
        let frames = max(program.depth, 1) * 8
        let total = program.registerBytes + 256 + 256 + frames
        storage = .allocate(byteCount: total, alignment: 128)
        storage.initializeMemory(as: UInt8.self, repeating: 0, count: total)
        core = .allocate(capacity: 1)
        let scratch = storage + program.registerBytes
        core.initialize(
            to: WarpCore(
                registers: storage, constants: program.constants, steps: program.steps, scratch: scratch,
                pointers: (scratch + 256).assumingMemoryBound(to: UnsafeMutableRawPointer.self),
                frames: (scratch + 512).assumingMemoryBound(to: UInt32.self), shared: block.shared,
                global: machine.memory.table, counters: machine.counters, arguments: run.arguments, warp: self,
                firstThread: UInt32(index * 32), blockThreads: UInt32(program.kernel.threads),
                blockIndex: UInt32(block.index), gridSize: UInt32(run.grid), clusterRank: UInt32(block.clusterRank),
                multiprocessor: UInt32(block.multiprocessor)))
    }

    deinit {
        core.deallocate()
        storage.deallocate()
    }

    /// The program's lists of operands, from `start` on.
    @inline(__always)
    func list(_ start: Int) -> UnsafePointer<Int32> { lists + start }

    var program: ProgramStorage { block.run.program }
    var machine: SimulatedMachine { block.run.machine }
    var isFinished: Bool { if case .finished = state { true } else { false } }

    func endTryWait() {
        hasWaitLimit = false
        waitLimitPassed = false
        tryWaits &+= 1
    }

    /// Index of a step of the warp's program.
    func index(of step: UnsafePointer<Step>) -> Int { step - core.pointee.steps }

    func place(of step: Int, lane: Int) -> ExecutionPlace {
        ExecutionPlace(
            kernel: program.kernel.name, location: program.locations[step], block: block.index, warp: index, lane: lane)
    }
}
