import KernelLanguage

/// One launch: a program, its arguments, and how far its blocks have come.
final class KernelRun {
    unowned(unsafe) let machine: SimulatedMachine
    let program: ProgramStorage
    let grid: Int
    let label: String
    unowned(unsafe) let stream: StreamState
    let arguments: UnsafeMutablePointer<UInt64>
    /// Tensor maps by parameter number.
    let tensorMaps: [TensorMap?]
    /// With a dependent launch, the kernel before this one in the stream. Earlier kernels are waited for only as far as
    /// the predecessor has waited for them.
    var predecessor: KernelRun?

    var nextBlock = 0
    var finishedBlocks = 0
    /// Blocks that let the dependent kernel start, or have ended.
    var triggeredBlocks = 0
    /// Asynchronous stores that have not been performed.
    var pendingStores = 0
    var isComplete = false
    /// For a judge: the steps that warps have reached.
    let reached: ReachedSteps?
    /// For a judge: its number among all launches, what it knows when it starts, and what it makes known in the end.
    let number: Int
    var startClock = View()
    var endClock = View()
    /// The event of the kernel's completion.
    var completion = MemoryEvent()
    /// Blocks that knew, when they let dependent kernels start, that the predecessor was complete, and what that makes
    /// known.
    var knowingBlocks = 0
    var knownOfPredecessor = View()
    /// Slots of its warps and of what they issued.
    var slots: [UInt32] = []
    /// Warps that wait for the predecessors.
    var waitingWarps: [Warp] = []

    init(
        machine: SimulatedMachine, program: ProgramStorage, grid: Int, label: String, stream: StreamState,
        bits: [UInt64], tensorMaps: [TensorMap?], number: Int
    ) {
        self.number = number
        reached = machine.judge?.reachedSteps(of: program)
        self.machine = machine
        self.program = program
        self.grid = grid
        self.label = label
        self.stream = stream
        self.tensorMaps = tensorMaps
        arguments = .allocate(capacity: max(bits.count, 1))
        arguments.initialize(repeating: 0, count: max(bits.count, 1))
        for (index, value) in bits.enumerated() { arguments[index] = value }
    }

    deinit { arguments.deallocate() }

    var kernel: Kernel { program.kernel }
    var allTriggered: Bool { triggeredBlocks == grid }
    var predecessorIsComplete: Bool { predecessor?.isComplete ?? true }
}
