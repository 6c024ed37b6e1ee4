extension KernelBuilder {
    /// Runs `then` on the lanes where the condition holds, `otherwise` on the others.
    public func `if`(
        _ condition: Condition, file: StaticString = #fileID, line: Int = #line, then: () -> Void,
        else otherwise: () -> Void = {}
    ) {
        at(file, line)
        let thenBlock = nested(then)
        let elseBlock = nested(otherwise)
        emit(.if(condition.operand, then: thenBlock, else: elseBlock), file, line)
    }

    /// Repeats `body` until every lane has left it by `breakIf`.
    public func loop(file: StaticString = #fileID, line: Int = #line, _ body: () -> Void) {
        at(file, line)
        let block = nested(body)
        emit(.loop(block), file, line)
    }

    /// Leaves the innermost loop on the lanes where the condition holds.
    public func breakIf(_ condition: Condition, file: StaticString = #fileID, line: Int = #line) {
        emit(.breakIf(condition.operand), file, line)
    }

    /// Repeats `body` while the condition, computed anew each time, holds.
    public func `while`(
        _ condition: () -> Condition, file: StaticString = #fileID, line: Int = #line, _ body: () -> Void
    ) {
        loop(file: file, line: line) {
            breakIf(!condition(), file: file, line: line)
            body()
        }
    }

    /// Runs `body` for `start`, `start + step`, … below `end`.
    public func `for`(
        from start: Value<UInt32>, to end: Value<UInt32>, by step: Value<UInt32>, file: StaticString = #fileID,
        line: Int = #line, _ body: (Value<UInt32>) -> Void
    ) {
        at(file, line)
        let index = variable(start)
        loop(file: file, line: line) {
            let current = index.value
            breakIf(current >= end, file: file, line: line)
            body(current)
            index.add(step)
        }
    }

    /// Runs `body` for `start`, `start + step`, … below `end`, in a loop of the kernel (not unrolled).
    public func `for`(
        from start: Int = 0, to end: Int, by step: Int = 1, file: StaticString = #fileID, line: Int = #line,
        _ body: (Value<UInt32>) -> Void
    ) {
        `for`(
            from: constant(UInt32(start)), to: constant(UInt32(end)), by: constant(UInt32(step)), file: file,
            line: line, body)
    }

    /// Ends the thread.
    public func exit(file: StaticString = #fileID, line: Int = #line) { emit(.exit, file, line) }
}
