/// Places blocks on multiprocessors, and removes them.
extension SimulatedMachine {
    /// Makes as many blocks resident as there is room for, in the order of their kernels and indices.
    func dispatchBlocks() {
        dispatchNeeded = false
        for run in dispatchingRuns where run.stream.halted == nil {
            while run.nextBlock < run.grid, placeCluster(of: run) {}
        }
        dispatchingRuns.removeAll { $0.nextBlock == $0.grid }
    }

    /// Makes the next cluster of blocks resident, all or none.
    private func placeCluster(of run: KernelRun) -> Bool {
        var chosen: [Int] = []
        for _ in 0..<run.kernel.clusterSize {
            guard let multiprocessor = leastLoaded(for: run) else {
                for multiprocessor in chosen { multiprocessors[multiprocessor].remove(run) }
                return false
            }
            multiprocessors[multiprocessor].add(run)
            chosen.append(multiprocessor)
        }
        let cluster = ClusterState()
        for (rank, multiprocessor) in chosen.enumerated() {
            if multiprocessors[multiprocessor].blocks == 1 { multiprocessorsInUse += 1 }
            let block = BlockState(
                run: run, index: run.nextBlock + rank, clusterRank: rank, multiprocessor: multiprocessor,
                cluster: cluster)
            start(block)
        }
        run.nextBlock += chosen.count
        return true
    }

    /// Of the multiprocessors with room, the one with the fewest threads; the search starts anywhere.
    private func leastLoaded(for run: KernelRun) -> Int? {
        let count = multiprocessors.count
        let first = judge == nil ? random.below(count) : choose(.place, count)
        var best: Int?
        for offset in 0..<count {
            let index = first + offset < count ? first + offset : first + offset - count
            let candidate = multiprocessors[index]
            guard candidate.hasRoom(for: run, configuration) else { continue }
            if candidate.threads == 0 { return index }
            if let current = best, multiprocessors[current].threads <= candidate.threads { continue }
            best = index
        }
        return best
    }

    private func start(_ block: BlockState) {
        block.residentIndex = residentBlocks.count
        residentBlocks.append(block)
        let warps = block.run.kernel.threads / 32
        block.liveWarps = warps
        block.cluster.liveWarps += warps
        for index in 0..<warps {
            let warp = Warp(block: block, index: index, run: block.run, machine: self)
            block.warps.append(warp)
            addRunnable(warp)
        }
        judge?.start(block)
        counters.pointee.progress &+= 1
    }

    /// Called when all lanes of a warp have ended.
    func finish(_ warp: Warp) {
        let block = warp.block
        judge?.finish(warp)
        removeRunnable(warp)
        warp.state = .finished
        warp.wait &+= 1
        counters.pointee.progress &+= 1
        block.liveWarps -= 1
        block.cluster.liveWarps -= 1
        completeIfAllArrived(block.cluster)
        guard block.liveWarps == 0 else {
            // Barriers of all threads do not wait for those that have ended.
            for id in 0..<16 where block.barriers.barriers[id].threads == nil {
                let released = block.barriers.completed(id, liveWarps: block.liveWarps) ?? []
                judge?.release(released, of: id, in: block)
                for other in released { resume(other) }
            }
            return
        }
        finish(block)
    }

    private func finish(_ block: BlockState) {
        let run = block.run
        judge?.finish(block)
        // Copies that the block did not wait for must not find its data.
        if run.pendingStores > 0 { block.shared.pointee.poison() }
        if !block.hasTriggered {
            block.hasTriggered = true
            judge?.trigger(block, by: block.warps)
            run.triggeredBlocks += 1
            streamsChanged = true
        }
        run.finishedBlocks += 1
        multiprocessors[block.multiprocessor].remove(run)
        if multiprocessors[block.multiprocessor].blocks == 0 { multiprocessorsInUse -= 1 }
        let last = residentBlocks.removeLast()
        if last !== block {
            residentBlocks[block.residentIndex] = last
            last.residentIndex = block.residentIndex
        }
        dispatchNeeded = true
        finishIfComplete(run)
    }

    /// Releases the cluster's barrier if all its warps that have not ended have arrived.
    func completeIfAllArrived(_ cluster: ClusterState) {
        guard cluster.arrivedWarps > 0, cluster.arrivedWarps >= cluster.liveWarps else { return }
        cluster.arrivedWarps = 0
        cluster.phase += 1
        judge?.complete(cluster)
        let released = cluster.waiting
        cluster.waiting = []
        for warp in released { resume(warp) }
    }
}
