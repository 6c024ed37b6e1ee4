import KernelLanguage

/// Diagnoses a deadlock: who waits, and for what.
extension SimulatedMachine {
    func diagnose() -> [BlockedWarp] {
        var waiting: [BlockedWarp] = []
        let blocks = residentBlocks.sorted { ($0.run.label, $0.index) < ($1.run.label, $1.index) }
        for block in blocks where block.run.stream.halted == nil {
            for warp in block.warps {
                guard let reason = reason(of: warp) else { continue }
                let counter = Int(warp.core.pointee.programCounter)
                // Barriers are behind the program counter, since they are not run again; other waits are at it.
                let step = if case .barrier = warp.state { counter - 1 } else { counter }
                waiting.append(
                    BlockedWarp(
                        kernel: block.run.label, block: block.index, warp: warp.index,
                        location: block.run.program.locations[step], waitsFor: reason))
            }
        }
        for run in dispatchingRuns where run.nextBlock < run.grid && run.stream.halted == nil {
            waiting.append(
                BlockedWarp(
                    kernel: run.label, block: run.nextBlock, warp: nil, location: nil,
                    waitsFor:
                        "room on a multiprocessor: blocks from \(run.nextBlock) to \(run.grid - 1) are not resident; "
                        + "each needs \(run.kernel.sharedBytes) bytes of shared memory and \(run.kernel.threads) threads"
                        + (run.kernel.clusterSize > 1 ? ", \(run.kernel.clusterSize) at once" : "")))
        }
        for stream in streams where stream.halted == nil {
            if case .wait = stream.next, stream.running.isEmpty {
                waiting.append(
                    BlockedWarp(
                        kernel: nil, block: nil, warp: nil, location: nil,
                        waitsFor: "an event, in stream \(stream.label)"))
            }
        }
        for rank in halts.ranks.keys.sorted() {
            waiting.append(
                BlockedWarp(
                    kernel: nil, block: nil, warp: nil, location: nil,
                    waitsFor: "an end of the halt of rank \(rank), which has none"))
        }
        return waiting
    }

    private func reason(of warp: Warp) -> String? {
        let block = warp.block
        switch warp.state {
        case .runnable, .finished, .sleeping: return nil
        case .barrier(let id):
            let barrier = block.barriers.barriers[id]
            return
                "barrier \(id): \(barrier.arrivedThreads) of \(barrier.threads ?? block.liveWarps * 32) threads arrived"
        case .clusterBarrier:
            return "the cluster's barrier: \(block.cluster.arrivedWarps * 32) of \(block.cluster.liveWarps * 32) "
                + "threads arrived"
        case .mbarrier(let address, let parity):
            let name = block.mbarriers.name(address)
            guard let barrier = block.mbarriers.find(address) else { return "mbarrier at \(name), which is gone" }
            return
                "mbarrier at \(name), phase parity \(parity): \(barrier.pending) of \(barrier.expected) arrivals and "
                + "\(barrier.pendingBytes) bytes pending"
        case .bulk(let pending, let reading):
            return "bulk stores to \(reading ? "read their source" : "complete"), all but \(pending) groups"
        case .multiply(let pending): return "warp-group multiplies, all but \(pending) groups"
        case .dependentLaunch: return "the kernels before it in the stream"
        case .networkQueue(let lane):
            return "room in the network's queue to rank \(lane.peer) on channel \(lane.channel), where "
                + "\(network.count(lane)) operations are under way"
        case .networkFlush(let lane):
            return "the network to read what it is to put to rank \(lane.peer) on channel \(lane.channel)"
        }
    }
}
