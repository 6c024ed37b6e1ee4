/// How asynchronous operations start. None of them does anything at once.
extension SimulatedMachine {
    func start(load copy: CopyOperation) {
        if let judge, !judge.issue(copy, isLoad: true) { return }
        schedule(.load(copy), after: delay(300...1500))
    }

    func start(store copy: CopyOperation) {
        _ = judge?.issue(copy, isLoad: false)
        copy.group?.unread += 1
        copy.group?.unperformed += 1
        copy.block.run.pendingStores += 1
        schedule(.read(copy), after: delay(200...600))
    }

    /// Multiplies of a warp complete in order.
    func start(multiply operation: MultiplyQueue.Operation, of warp: Warp) {
        var operation = operation
        judge?.issue(&operation, warp)
        warp.multiplies.operations.append(operation)
        if judge != nil { return work.append(.multiply(warp)) }
        let start = max(warp.multiplies.lastCompletion, counters.pointee.clock)
        warp.multiplies.lastCompletion = start + random.within(20...200)
        events.add(.multiply(warp), at: warp.multiplies.lastCompletion)
    }

    func completeMultiply(of warp: Warp) {
        let operation = warp.multiplies.operations.removeFirst()
        if let judge, !judge.read(operation, of: warp) { return }
        if let outside = math.run(operation, warp.program.multiplies[operation.plan], warp) {
            return fail(outOfBounds: .shared, outside, 16, warp.place(of: operation.step, lane: 0), in: warp.block)
        }
        if case .multiply(let pending) = warp.state, warp.multiplies.isSatisfied(pending: pending) { resume(warp) }
    }
}
