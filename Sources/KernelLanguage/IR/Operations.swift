/// Operations on one operand; operand and result have the same type.
public enum UnaryOperation: String, CaseIterable, Hashable, Sendable {
    /// Arithmetic negation (Int32, Float32).
    case negate
    /// Bitwise complement, or logical not for Bool.
    case not
    /// Absolute value (Int32, Float32).
    case absolute
    /// Number of one bits (UInt32).
    case populationCount
    /// Number of zero bits above the highest one; 32 for zero (UInt32).
    case leadingZeros
    /// 2ˣ, relative error at most 2⁻²², subnormal numbers flushed to zeros of their sign (Float32).
    case exponential2
    /// 1/x, likewise (Float32).
    case reciprocal
    /// Square root, correctly rounded (Float32).
    case squareRoot
}

/// Operations on two operands of one type; the result has that type too, `multiplyWide` excepted.
public enum BinaryOperation: String, CaseIterable, Hashable, Sendable {
    case add, subtract, multiply, divide, remainder, minimum, maximum
    /// UInt32 × UInt32 → UInt64.
    case multiplyWide
    /// Bitwise, or logical for Bool.
    case and, or, exclusiveOr
    /// Shifts; the amount is a UInt32, and amounts of the width or more give zero (sign for Int32 to the right).
    case shiftLeft, shiftRight
}

/// Comparisons. Float comparisons are ordered: false when either side is NaN, except `notEqual`, which is then true.
public enum Comparison: String, CaseIterable, Hashable, Sendable {
    case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual
}

/// Conversions between packed and single values.
public enum PackOperation: String, CaseIterable, Hashable, Sendable {
    /// Two Float32 → UInt32 holding two BFloat16, the first in the low half; round to nearest even.
    case bfloat16Pair
    /// Four Float32 → UInt32 holding four FP8 E4M3, the first in the low byte; nearest even, saturating to ±448.
    case float8Quad
    /// Two UInt32 → UInt64, the first in the low half.
    case uint64
}

/// The inverse conversions; each gives as many results as the pack takes operands.
public enum UnpackOperation: String, CaseIterable, Hashable, Sendable {
    /// UInt32 holding two BFloat16 → two Float32, the low half first. Exact.
    case bfloat16Pair
    /// UInt32 holding four FP8 E4M3 → four Float32, the low byte first. Exact.
    case float8Quad
    /// UInt64 → two UInt32, the low half first.
    case uint64
}

/// Read-modify-write operations on memory.
public enum AtomicOperation: String, CaseIterable, Hashable, Sendable {
    case add, minimum, maximum, exchange, compareAndSwap, or, and
}

/// Values that the hardware gives each thread.
public enum SpecialRegister: String, CaseIterable, Hashable, Sendable {
    /// Index in the block, its size; blocks are one-dimensional.
    case threadIndex, blockSize
    /// Index in the grid, number of blocks; grids are one-dimensional.
    case blockIndex, gridSize
    /// Index in the warp (0…31).
    case lane
    /// Index of the block in its cluster.
    case clusterRank
    /// Number of the multiprocessor that the block runs on.
    case multiprocessor
    /// Nanosecond clock of the device, common to all multiprocessors (UInt64).
    case globalTimer

    /// Type of the value.
    public var type: ScalarType { self == .globalTimer ? .uint64 : .uint32 }
}

/// How a shuffle picks the lane to read from.
public enum ShuffleMode: String, CaseIterable, Hashable, Sendable {
    /// Lane `operand`.
    case index
    /// Own lane minus the operand; lanes without such a source keep their own value.
    case up
    /// Own lane plus the operand; lanes without such a source keep their own value.
    case down
    /// Own lane xor the operand.
    case butterfly
}

/// Votes over the active lanes of a warp.
public enum VoteMode: String, CaseIterable, Hashable, Sendable {
    /// Bool: true on every lane.
    case all
    /// Bool: true on some lane.
    case any
    /// UInt32: one bit per lane.
    case ballot
}

/// The action of a thread at a barrier.
public enum BarrierAction: String, Hashable, Sendable {
    /// Arrives and waits for the others.
    case sync
    /// Arrives and goes on.
    case arrive
}

/// Arrival at and waiting for the barrier of a cluster.
public enum ClusterBarrierAction: String, Hashable, Sendable {
    case arrive, wait
}

/// Programmatic dependent launch.
public enum DependentLaunchAction: String, Hashable, Sendable {
    /// Lets the next kernel of the stream start once all blocks have done this or ended.
    case launchDependents
    /// Waits until the kernels before have completed and their memory is visible.
    case wait
}
