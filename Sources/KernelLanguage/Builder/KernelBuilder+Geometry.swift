extension KernelBuilder {
    /// Index of the thread in its block.
    public var threadIndex: Value<UInt32> { constantSpecial(.threadIndex) }
    /// Index of the block in the grid.
    public var blockIndex: Value<UInt32> { constantSpecial(.blockIndex) }
    /// Number of blocks in the grid.
    public var gridSize: Value<UInt32> { constantSpecial(.gridSize) }
    /// Index of the thread in its warp.
    public var lane: Value<UInt32> { constantSpecial(.lane) }
    /// Index of the block in its cluster.
    public var clusterRank: Value<UInt32> { constantSpecial(.clusterRank) }
    /// Number of the multiprocessor that runs the block.
    public var multiprocessor: Value<UInt32> { constantSpecial(.multiprocessor) }
    /// The device's clock in nanoseconds, read now.
    public var globalTimer: Value<UInt64> { emitting(UInt64.self) { .special($0, .globalTimer) } }
    /// Index of the warp in its block, the same register content on all lanes.
    public var warpIndex: Value<UInt32> { shuffle(threadIndex >> 5, from: constant(UInt32(0))) }
    /// True on the block's thread 0.
    public var isFirstThread: Condition { threadIndex == 0 }
    /// True on the warp's lane 0.
    public var isFirstLane: Condition { lane == 0 }

    // MARK: Warp

    /// The value of lane `source`.
    public func shuffle<T: Scalar>(_ value: Value<T>, from source: Value<UInt32>) -> Value<T> {
        emitting(T.self) { .shuffle(.index, $0, value.operand, lane: source.operand) }
    }

    /// The value of the lane whose index differs by exclusive or with `mask`.
    public func shuffle<T: Scalar>(_ value: Value<T>, exclusiveOr mask: Int) -> Value<T> {
        emitting(T.self) { .shuffle(.butterfly, $0, value.operand, lane: .constant(UInt64(mask))) }
    }

    /// The value of the lane `distance` below; lanes without one keep their own.
    public func shuffle<T: Scalar>(_ value: Value<T>, up distance: Int) -> Value<T> {
        emitting(T.self) { .shuffle(.up, $0, value.operand, lane: .constant(UInt64(distance))) }
    }

    /// The value of the lane `distance` above; lanes without one keep their own.
    public func shuffle<T: Scalar>(_ value: Value<T>, down distance: Int) -> Value<T> {
        emitting(T.self) { .shuffle(.down, $0, value.operand, lane: .constant(UInt64(distance))) }
    }

    /// The transpose of an 8x8 matrix of 16-bit elements, of which lane `l` holds elements `2 * (l % 4)`, in the low
    /// half, and `2 * (l % 4) + 1` of row `l / 4`.
    public func transpose(_ pair: Value<UInt32>) -> Value<UInt32> {
        emitting(UInt32.self) { .transpose($0, pair.operand) }
    }

    /// Whether the condition holds on every lane.
    public func all(_ condition: Condition) -> Condition { emitting(Bool.self) { .vote(.all, $0, condition.operand) } }
    /// Whether the condition holds on some lane.
    public func any(_ condition: Condition) -> Condition { emitting(Bool.self) { .vote(.any, $0, condition.operand) } }
    /// One bit for each lane: whether the condition holds there.
    public func ballot(_ condition: Condition) -> Value<UInt32> {
        emitting(UInt32.self) { .vote(.ballot, $0, condition.operand) }
    }
    /// True on one lane, the lowest active one.
    public var elected: Condition { emitting(Bool.self) { .elect($0) } }

    /// Barrier and memory ordering among the lanes of the warp.
    public func syncWarp(file: StaticString = #fileID, line: Int = #line) { emit(.syncWarp, file, line) }
}
