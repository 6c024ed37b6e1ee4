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
    /// Kernels of the same stream that ran when this one started.
    var predecessors: [KernelRun] = []

    var nextBlock = 0
    var finishedBlocks = 0
    /// Blocks that let the dependent kernel start, or have ended.
    var triggeredBlocks = 0
    /// Asynchronous stores that have not been performed.
    var pendingStores = 0
    var isComplete = false
    /// Warps that wait for the predecessors.
    var waitingWarps: [Warp] = []

    init(
        machine: SimulatedMachine, program: ProgramStorage, grid: Int, label: String, stream: StreamState,
        bits: [UInt64], tensorMaps: [TensorMap?]
    ) {
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
    var predecessorsComplete: Bool { predecessors.allSatisfy(\.isComplete) }
}
