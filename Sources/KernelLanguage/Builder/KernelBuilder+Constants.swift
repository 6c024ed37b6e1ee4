/// Constants where an operation takes a value: they become immediate operands and cost no instruction.
extension KernelBuilder {
    /// A variable that starts as `initial`. A literal needs its type: `variable(UInt32(0))`.
    public func variable(_ initial: UInt32) -> Variable<UInt32> { variable(constant(initial)) }
    /// A variable that starts as `initial`. A literal needs its type: `variable(UInt64(0))`.
    public func variable(_ initial: UInt64) -> Variable<UInt64> { variable(constant(initial)) }
    /// A variable that starts as `initial`. A literal needs its type: `variable(Float(0))`.
    public func variable(_ initial: Float) -> Variable<Float> { variable(constant(initial)) }
    /// A variable that starts as `initial`.
    public func variable(_ initial: Bool) -> Variable<Bool> { variable(constant(initial)) }

    /// Runs `body` for `start`, `start + step`, … below `end`.
    public func `for`(
        from start: Value<UInt32>, to end: Value<UInt32>, by step: Int = 1, file: StaticString = #fileID,
        line: Int = #line, _ body: (Value<UInt32>) -> Void
    ) {
        `for`(from: start, to: end, by: constant(UInt32(step)), file: file, line: line, body)
    }

    /// Runs `body` for `start`, `start + step`, … below `end`.
    public func `for`(
        from start: Value<UInt32>, to end: Int, by step: Int = 1, file: StaticString = #fileID, line: Int = #line,
        _ body: (Value<UInt32>) -> Void
    ) {
        `for`(from: start, to: constant(UInt32(end)), by: step, file: file, line: line, body)
    }

    /// Runs `body` for `start`, `start + step`, … below `end`.
    public func `for`(
        from start: Int = 0, to end: Value<UInt32>, by step: Int = 1, file: StaticString = #fileID,
        line: Int = #line, _ body: (Value<UInt32>) -> Void
    ) {
        `for`(from: constant(UInt32(start)), to: end, by: step, file: file, line: line, body)
    }

    /// Stores a constant. An order other than `.weak` synchronises with loads within its scope.
    public func store<P: MemoryPointer>(
        _ value: Int, to pointer: P, order: MemoryOrder = .weak, cache: CacheHint = .normal,
        file: StaticString = #fileID, line: Int = #line
    ) where P.Element: IntegerScalar {
        store(
            Value(.constant(P.Element.bits(value)), self), to: pointer, order: order, cache: cache, file: file,
            line: line)
    }

    /// Copies `bytes` from global to shared memory; completes on `barrier`. Addresses and size are multiples of 16.
    public func bulkLoad<T: Scalar, U: Scalar>(
        _ source: Pointer<T>, to destination: SharedPointer<U>, bytes: Int, barrier: MemoryBarrier,
        cache: CacheHint = .normal, file: StaticString = #fileID, line: Int = #line
    ) {
        bulkLoad(
            source, to: destination, bytes: constant(UInt32(bytes)), barrier: barrier, cache: cache, file: file,
            line: line)
    }

    /// Copies `bytes` from shared to global memory, in the thread's current bulk group; alignment as for `bulkLoad`.
    public func bulkStore<T: Scalar, U: Scalar>(
        _ source: SharedPointer<T>, to destination: Pointer<U>, bytes: Int, file: StaticString = #fileID,
        line: Int = #line
    ) {
        bulkStore(source, to: destination, bytes: constant(UInt32(bytes)), file: file, line: line)
    }

    /// The value of lane `source`.
    public func shuffle<T: Scalar>(_ value: Value<T>, from source: Int) -> Value<T> {
        shuffle(value, from: constant(UInt32(source)))
    }
}

extension Value where Element: IntegerScalar & ArithmeticScalar {
    /// The smaller of both.
    public func minimum(_ other: Int) -> Self { minimum(Value(.constant(Element.bits(other)), builder)) }
    /// The larger of both.
    public func maximum(_ other: Int) -> Self { maximum(Value(.constant(Element.bits(other)), builder)) }
}
