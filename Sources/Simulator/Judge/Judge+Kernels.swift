import KernelLanguage

/// Kernel boundaries, streams, events and the host.
extension Judge {
    /// A kernel starts: it knows what its stream has completed. With a dependent launch it knows, however late it
    /// starts, only what its predecessor knew at its own start, and the completion of the kernel before that one if all
    /// blocks of the predecessor had waited for it when they let dependent kernels start. It must wait for the rest.
    func start(_ run: KernelRun, in stream: StreamState) {
        if let predecessor = run.predecessor {
            run.startClock = predecessor.startClock
            if predecessor.knowingBlocks == predecessor.grid { run.startClock.join(predecessor.knownOfPredecessor) }
        } else {
            run.startClock = stream.clock
        }
        run.startClock.join(stream.hostClock)
        run.endClock = run.startClock
    }

    func finish(_ warp: Warp) {
        guard let judged = warp.judged else { return }
        warp.block.run.endClock.join(judged.publishAll())
    }

    /// A block lets dependent kernels start, by one of its warps or by its end.
    func trigger(_ block: BlockState, by warps: [Warp]) {
        guard let predecessor = block.run.predecessor, predecessor.completion.exists,
            warps.contains(where: { $0.judged?.publishAll().seen.knows(predecessor.completion) ?? false })
        else { return }
        block.run.knowingBlocks += 1
        block.run.knownOfPredecessor = predecessor.endClock
    }

    /// A kernel is complete, and visible to what comes after it.
    func complete(_ run: KernelRun) {
        for slot in run.slots { run.endClock.learnCompletely(slot, .max) }
        run.completion = MemoryEvent(slot: makeSlot(owner(of: run.stream)), time: 1)
        run.endClock.learnCompletely(run.completion.slot, 1)
        run.endClock.fence(.async)
        run.stream.clock.join(run.endClock)
        run.stream.clock.join(run.stream.hostClock)
    }

    /// The lanes have waited for the kernel before theirs.
    func waitedForPredecessor(_ core: Core) {
        let warp = core.pointee.warp
        guard let judged = warp.judged else { return }
        guard let predecessor = warp.block.run.predecessor else { return }
        if core.pointee.mask == core.pointee.live {
            judged.learn(predecessor.endClock)
        } else {
            for lane in 0..<32 where core.pointee.mask >> UInt32(lane) & 1 != 0 {
                judged.learn(lane, predecessor.endClock)
            }
        }
    }

    // Host work

    func startHostWork(in stream: StreamState) {
        hostStream = stream
        if stream.hostSlot == 0 {
            stream.hostSlot = makeSlot(owner(of: stream))
        }
        stream.hostTime += 1
    }

    private func owner(of stream: StreamState) -> SlotOwner {
        SlotOwner(
            kind: .host, program: nil, run: -1, stream: stream.label, rank: stream.rank, block: 0, warp: 0,
            blockNumber: -1,
            clusterNumber: -1, stableNumber: 0)
    }

    func endHostWork(in stream: StreamState) {
        hostStream = nil
        stream.clock.learnCompletely(stream.hostSlot, stream.hostTime)
    }

    /// The host reads or writes: in a stream's order, or at once.
    func hostAccess(_ address: UInt64, _ count: Int, isWrite: Bool) {
        guard count > 0, let (region, offset) = machine.memory.find(address, count: count) else { return }
        guard let stream = hostStream else {
            // At once: it must come after all that runs, which only the host can know.
            if isWrite { forgetLocations(UInt(bitPattern: region.pointee.data + offset), count) }
            return
        }
        var event = MemoryEvent(slot: stream.hostSlot, time: stream.hostTime)
        if isWrite { event.kind = .write }
        var (start, left) = (offset, count)
        // Pieces that `access` takes: aligned powers of two, or multiples of 16.
        while left > 0 {
            let aligned = start == 0 ? 16 : min(start & (0 &- start), 16)
            let piece =
                aligned == 16 && left >= 16
                ? left & ~15 : min(aligned, 1 << (Int.bitWidth - 1 - left.leadingZeroBitCount))
            guard access(region, start, piece, event, .host(stream.clock), in: .global) else { return }
            start += piece
            left -= piece
        }
    }

    func hostWaited(for stream: StreamState) {
        host.join(stream.clock)
        if machine.isIdle { startEra() }
    }

    func hostWaitedForAll() {
        if machine.isIdle { return startEra() }
        // What halted ranks and the network have under way is not over.
        for stream in machine.streams where stream.isEmpty { host.join(stream.clock) }
    }
}

extension SimulatedMachine {
    /// Whether nothing is under way, in the network either.
    fileprivate var isIdle: Bool { network.isIdle && streams.allSatisfy(\.isEmpty) }
}
