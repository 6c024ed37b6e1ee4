/// A virtual register of a kernel; its type stands in `Kernel.registerTypes`.
public struct Register: Hashable, Sendable {
    /// Index into `Kernel.registerTypes`.
    public var index: Int

    /// The register with this index.
    public init(_ index: Int) { self.index = index }
}

/// An operand of an operation: a register, or a constant given by its bits in the type that the operation expects.
public enum Operand: Hashable, Sendable {
    case register(Register)
    case constant(UInt64)
}

/// An address in memory: an operand (UInt64 for global, UInt32 for shared) plus a constant number of bytes.
public struct Address: Hashable, Sendable {
    /// Base address.
    public var base: Operand
    /// Bytes added to it.
    public var offset: Int

    /// `base + offset`.
    public init(_ base: Operand, offset: Int = 0) {
        self.base = base
        self.offset = offset
    }
}

/// One operation of the kernel language.
///
/// Its type rule (`Op.problem`), its PTX spelling and its simulated effect are exhaustive switches over this enum, so
/// an operation cannot be half added. Results come first.
public indirect enum Op: Hashable, Sendable {
    // Values
    case move(Register, Operand)
    case unary(UnaryOperation, Register, Operand)
    case binary(BinaryOperation, Register, Operand, Operand)
    /// `a * b + c`: one rounding for Float32, modulo 2³² for integers.
    case multiplyAdd(Register, Operand, Operand, Operand)
    case compare(Comparison, ScalarType, Register, Operand, Operand)
    case select(Register, condition: Operand, Operand, Operand)
    /// Numeric conversion. Float to integer truncates and saturates; to BF16 and FP8 rounds to nearest even.
    case convert(Register, from: ScalarType, Operand)
    /// The same bits under another type of the same size.
    case reinterpret(Register, from: ScalarType, Operand)
    case pack(PackOperation, Register, [Operand])
    case unpack(UnpackOperation, [Register], Operand)
    case special(Register, SpecialRegister)
    /// Value of parameter number `parameter`: a scalar, or the address that a pointer parameter holds.
    case parameter(Register, parameter: Int)
    /// Address of byte `offset` of the block's shared memory.
    case sharedAddress(Register, offset: Int)

    // Warp. All 32 lanes take part, except where lanes have exited.
    case shuffle(ShuffleMode, Register, Operand, lane: Operand)
    /// An 8x8 matrix of 16-bit elements becomes its transpose. Lane `l` holds elements `2 * (l % 4)`, in the low half,
    /// and `2 * (l % 4) + 1` of row `l / 4`.
    case transpose(Register, Operand)
    case vote(VoteMode, Register, Operand)
    /// Bool: true on exactly one active lane, the lowest.
    case elect(Register)
    /// Barrier and memory ordering among the lanes of a warp.
    case syncWarp

    // Memory
    /// Consecutive elements into 1, 2 or 4 registers (or more 1- and 2-byte ones): at most 16 bytes, aligned to their
    /// total.
    case load(MemoryAccess, [Register], Address)
    case store(MemoryAccess, [Operand], Address)
    /// Read-modify-write; result is the old value. `compare` for compare-and-swap only.
    case atomic(AtomicOperation, MemoryAccess, Register?, Address, Operand, compare: Operand?)
    /// Discards the contents of `discardedBytes` of global memory, at a multiple of as many: like a weak store of
    /// undefined values.
    case discard(Address)
    case fence(MemoryOrder)
    case proxyFence(ProxyFence)

    // Barriers
    /// Named barrier 0…15 of the block; `threads` is the number of threads that take part, all of the block if nil.
    case barrier(BarrierAction, id: Operand, threads: Int?)
    case clusterBarrier(ClusterBarrierAction)
    /// mbarriers are 8 bytes of shared memory, aligned to 8.
    case mbarrierInit(Address, arrivals: Operand)
    case mbarrierInvalidate(Address)
    /// One arrival; with `expecting`, the phase also waits for that many bytes of asynchronous copies.
    case mbarrierArrive(Address, expecting: Operand?)
    /// Bool: whether the phase with this parity has completed. May suspend the thread for a bounded time.
    case mbarrierTryWait(Register, Address, parity: Operand)

    // Asynchronous copies
    /// Shared ← global, completing on an mbarrier. Addresses and size are multiples of 16.
    case bulkLoad(shared: Address, global: Address, bytes: Operand, mbarrier: Address, cache: CacheHint)
    /// Global ← shared, in the thread's current bulk group.
    case bulkStore(global: Address, shared: Address, bytes: Operand)
    /// Prefetches global memory into the L2.
    case bulkPrefetch(global: Address, bytes: Operand)
    /// A box of tensor map parameter number `map` into shared memory, completing on an mbarrier.
    case tensorLoad(shared: Address, map: Int, coordinates: [Operand], mbarrier: Address, cache: CacheHint)
    /// A box from shared memory, in the thread's current bulk group.
    case tensorStore(map: Int, coordinates: [Operand], shared: Address)
    /// Prefetches the descriptor of tensor map parameter number `map`.
    case tensorPrefetch(map: Int)
    /// Commits the thread's current bulk group.
    case bulkCommit
    /// Waits until at most `pending` of the thread's bulk groups have not completed; with `reading`, until they have
    /// only read their source.
    case bulkWait(pending: Int, reading: Bool)

    // The network
    /// An operation of a network adapter on the memory of another rank.
    case network(NetworkOperation)

    // Tensor cores
    /// Orders register and shared memory accesses before the multiplies that follow.
    case wgmmaFence
    case wgmma(WarpGroupMultiply)
    case wgmmaCommit
    /// Waits until at most `pending` groups of multiplies have not completed.
    case wgmmaWait(pending: Int)

    // The multiprocessor
    /// Raises or lowers the registers per thread of the warp group.
    case setRegisterCount(Int, increase: Bool)
    case dependentLaunch(DependentLaunchAction)
    case nanosleep(Operand)

    // Control
    case `if`(Operand, then: Block, else: Block)
    case loop(Block)
    /// Leaves the innermost loop on the lanes where the condition holds.
    case breakIf(Operand)
    /// Ends the thread.
    case exit
}

/// A line of Swift that emitted an operation.
public struct SourceLocation: Hashable, Sendable, CustomStringConvertible {
    /// `Module/File.swift`.
    public var file: String
    /// Line, from 1.
    public var line: Int

    /// The line `line` of `file`.
    public init(file: String, line: Int) {
        self.file = file
        self.line = line
    }

    /// `Module/File.swift:line`.
    public var description: String { "\(file):\(line)" }
}

/// An operation and the line that emitted it.
public struct Instruction: Hashable, Sendable {
    /// The operation.
    public var op: Op
    /// The line of the kernel's source that emitted it. Operators carry the line of the call before them.
    public var location: SourceLocation

    /// An operation emitted at `location`.
    public init(_ op: Op, at location: SourceLocation) {
        self.op = op
        self.location = location
    }
}

/// Operations that run one after the other.
public struct Block: Hashable, Sendable {
    /// In execution order.
    public var instructions: [Instruction]

    /// A block of these operations.
    public init(_ instructions: [Instruction] = []) { self.instructions = instructions }
}
