/// Starts and completes the items of streams.
extension SimulatedMachine {
    /// Starts whatever is at the head of a stream and may start.
    func advanceStreams() {
        streamsChanged = false
        let first = judge == nil ? random.below(max(streams.count, 1)) : choose(.place, streams.count)
        for offset in streams.indices {
            advance(streams[(first + offset) % streams.count])
            if failure != nil { return }
        }
    }

    private func advance(_ stream: StreamState) {
        guard stream.halted == nil else { return }
        while let item = stream.next {
            switch item {
            case .record(let record):
                // It is no work: as in a graph, a dependent launch behind it still depends on the kernel before it.
                record.waitsFor = stream.running
                record.clock = stream.clock
                stream.openRecords.append(record)
                stream.skipMark()
                finishRecords(of: stream)
            case .wait(let record):
                guard stream.running.isEmpty, record.isDone else { return }
                stream.clock.join(record.clock)
                stream.last = nil
                stream.removeNext()
            case .hostKnowledge(let view):
                stream.hostClock.join(view)
                if stream.running.isEmpty { stream.clock.join(view) }
                stream.skipMark()
            case .hostWork(let body):
                guard stream.running.isEmpty, mayStart(stream) else { return }
                stream.last = nil
                stream.removeNext()
                counters.pointee.progress &+= 1
                judge?.startHostWork(in: stream)
                do { try body() } catch {
                    return fail(error as? SimulationError ?? .hostWork("\(error)"))
                }
                judge?.endHostWork(in: stream)
            case .launch(let run, let dependent):
                let predecessor = dependent ? stream.last : nil
                let isReady = predecessor.map { $0.isComplete || $0.allTriggered } ?? stream.running.isEmpty
                guard isReady, mayStart(stream) else { return }
                stream.removeNext()
                run.predecessor = predecessor
                judge?.start(run, in: stream)
                stream.last = run
                stream.running.append(run)
                dispatchingRuns.append(run)
                dispatchNeeded = true
            }
        }
    }

    /// Whether the moment to start the stream's next item has come; sets one the first time.
    private func mayStart(_ stream: StreamState) -> Bool {
        if stream.mayStart { return true }
        if !stream.isStarting {
            stream.isStarting = true
            schedule(.stream(stream), after: delay(100...1500))
        }
        return false
    }

    /// Recordings are done when the kernels before them are.
    private func finishRecords(of stream: StreamState) {
        for record in stream.openRecords where record.waitsFor.isEmpty {
            record.isDone = true
            // Another stream may wait for it.
            streamsChanged = true
            counters.pointee.progress &+= 1
        }
        stream.openRecords.removeAll(where: \.isDone)
    }

    /// Completes the kernel if its blocks have ended and its stores are performed.
    func finishIfComplete(_ run: KernelRun) {
        guard run.finishedBlocks == run.grid, run.pendingStores == 0, !run.isComplete else { return }
        run.isComplete = true
        judge?.complete(run)
        run.predecessor = nil
        let stream = run.stream
        stream.running.removeAll { $0 === run }
        for record in stream.openRecords where record.waitsFor.contains(where: { $0 === run }) {
            record.waitsFor.removeAll { $0 === run }
            record.clock.join(run.endClock)
        }
        finishRecords(of: stream)
        for next in stream.running where next.predecessor === run {
            let waiting = next.waitingWarps
            next.waitingWarps = []
            for warp in waiting { resume(warp) }
        }
        streamsChanged = true
    }
}
