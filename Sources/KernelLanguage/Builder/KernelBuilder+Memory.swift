extension KernelBuilder {
    private func access<P: MemoryPointer>(
        _ pointer: P, _ order: MemoryOrder, _ cache: CacheHint
    ) -> MemoryAccess {
        MemoryAccess(P.Element.scalarType, P.space, order: order, cache: cache)
    }

    /// Loads one element. An order other than `.weak` synchronises with stores within its scope.
    public func load<P: MemoryPointer>(
        _ pointer: P, order: MemoryOrder = .weak, cache: CacheHint = .normal,
        file: StaticString = #fileID, line: Int = #line
    ) -> Value<P.Element> {
        at(file, line)
        return emitting(P.Element.self) { .load(access(pointer, order, cache), [$0], pointer.address) }
    }

    /// Loads `count` consecutive elements at once: 1, 2 or 4, up to 16 bytes, aligned to their total size.
    public func loadVector<P: MemoryPointer>(
        _ pointer: P, count: Int, cache: CacheHint = .normal, file: StaticString = #fileID, line: Int = #line
    ) -> [Value<P.Element>] {
        let results = (0..<count).map { _ in newRegister(P.Element.scalarType) }
        emit(.load(access(pointer, .weak, cache), results, pointer.address), file, line)
        return results.map { Value(.register($0), self) }
    }

    /// Stores one element. An order other than `.weak` synchronises with loads within its scope.
    public func store<P: MemoryPointer>(
        _ value: Value<P.Element>, to pointer: P, order: MemoryOrder = .weak, cache: CacheHint = .normal,
        file: StaticString = #fileID, line: Int = #line
    ) {
        emit(.store(access(pointer, order, cache), [value.operand], pointer.address), file, line)
    }

    /// Stores consecutive elements at once: 1, 2 or 4, up to 16 bytes, aligned to their total size.
    public func storeVector<P: MemoryPointer>(
        _ values: [Value<P.Element>], to pointer: P, cache: CacheHint = .normal, file: StaticString = #fileID,
        line: Int = #line
    ) {
        emit(.store(access(pointer, .weak, cache), values.map(\.operand), pointer.address), file, line)
    }

    /// Discards the contents of 128 bytes at `pointer`, a multiple of 128: the L2 need not write them to memory. Until
    /// they are stored to, loads from them return undefined values.
    public func discard<T: Scalar>(_ pointer: Pointer<T>, file: StaticString = #fileID, line: Int = #line) {
        emit(.discard(pointer.address), file, line)
    }

    /// Adds to memory atomically; the old value is dropped.
    public func atomicAdd<P: MemoryPointer>(
        _ pointer: P, _ value: Value<P.Element>, order: MemoryOrder,
        file: StaticString = #fileID, line: Int = #line
    ) {
        emit(
            .atomic(.add, access(pointer, order, .normal), nil, pointer.address, value.operand, compare: nil),
            file, line)
    }

    /// Adds a constant to memory atomically; the old value is dropped.
    public func atomicAdd<P: MemoryPointer>(
        _ pointer: P, _ value: Int, order: MemoryOrder, file: StaticString = #fileID,
        line: Int = #line
    ) where P.Element: IntegerScalar {
        atomicAdd(
            pointer, Value(.constant(P.Element.bits(value)), self), order: order, file: file, line: line)
    }

    /// Reads, modifies and writes memory atomically.
    ///
    /// - Returns: The value before.
    public func atomic<P: MemoryPointer>(
        _ operation: AtomicOperation, _ pointer: P, _ value: Value<P.Element>, order: MemoryOrder,
        file: StaticString = #fileID, line: Int = #line
    ) -> Value<P.Element> {
        at(file, line)
        return emitting(P.Element.self) {
            .atomic(operation, access(pointer, order, .normal), $0, pointer.address, value.operand, compare: nil)
        }
    }

    /// Writes `value` if memory holds `expected`, atomically.
    ///
    /// - Returns: The value before.
    public func atomicCompareAndSwap<P: MemoryPointer>(
        _ pointer: P, expected: Value<P.Element>, value: Value<P.Element>, order: MemoryOrder,
        file: StaticString = #fileID, line: Int = #line
    ) -> Value<P.Element> {
        at(file, line)
        return emitting(P.Element.self) {
            .atomic(
                .compareAndSwap, access(pointer, order, .normal), $0, pointer.address, value.operand,
                compare: expected.operand)
        }
    }

    /// Orders earlier accesses of this thread before later ones, for observers within `scope`.
    public func fence(scope: MemoryScope, file: StaticString = #fileID, line: Int = #line) {
        emit(.fence(.acquireRelease(scope)), file, line)
    }

    /// Orders as `fence` does, and also earlier stores before later loads: such fences whose scopes include each
    /// other's threads have one total order, and a later one observes all that came before an earlier one.
    public func sequentialFence(scope: MemoryScope, file: StaticString = #fileID, line: Int = #line) {
        emit(.fence(.sequentiallyConsistent(scope)), file, line)
    }

    /// Orders generic and asynchronous accesses of this thread.
    public func proxyFence(_ fence: ProxyFence, file: StaticString = #fileID, line: Int = #line) {
        emit(.proxyFence(fence), file, line)
    }
}
