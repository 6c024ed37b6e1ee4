/// How the items of streams start and end.
extension SimulatedMachine {
    /// Starts whatever is at the head of a stream and may start.
    func advanceStreams() {
        streamsChanged = false
        let first = random.below(max(streams.count, 1))
        for offset in streams.indices {
            advance(streams[(first + offset) % streams.count])
            if failure != nil { return }
        }
    }

    private func advance(_ stream: StreamState) {
        while let item = stream.next {
            switch item {
            case .record(let record):
                guard stream.running.isEmpty else { return }
                record.isDone = true
                // Another stream may wait for it.
                streamsChanged = true
                counters.pointee.progress &+= 1
                stream.removeNext()
            case .wait(let record):
                guard stream.running.isEmpty, record.isDone else { return }
                stream.removeNext()
            case .hostWork(let body):
                guard stream.running.isEmpty, mayStart(stream) else { return }
                stream.removeNext()
                counters.pointee.progress &+= 1
                do { try body() } catch {
                    return fail(error as? SimulationError ?? .hostWork("\(error)"))
                }
            case .launch(let run, let dependent):
                let isReady = stream.running.isEmpty || (dependent && stream.running.allSatisfy(\.allTriggered))
                guard isReady, mayStart(stream) else { return }
                stream.removeNext()
                run.predecessors = stream.running
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
            schedule(.stream(stream), after: random.within(100...1500))
        }
        return false
    }

    /// Completes the kernel if its blocks have ended and its stores are performed.
    func finishIfComplete(_ run: KernelRun) {
        guard run.finishedBlocks == run.grid, run.pendingStores == 0, !run.isComplete else { return }
        run.isComplete = true
        run.predecessors = []
        let stream = run.stream
        stream.running.removeAll { $0 === run }
        for next in stream.running where next.predecessorsComplete {
            let waiting = next.waitingWarps
            next.waitingWarps = []
            for warp in waiting { resume(warp) }
        }
        streamsChanged = true
    }
}
