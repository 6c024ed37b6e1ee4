import KernelLanguage

/// Barriers and fences.
extension Judge {
    // Named barriers: the warps that are released learn what all that arrived knew.

    func arrive(at barrier: Int, _ warp: Warp) {
        guard let judged = warp.judged, let block = warp.block.judged else { return }
        let view = judged.synchronise()
        if block.barriers[barrier] == nil {
            block.barriers[barrier] = view
        } else {
            block.barriers[barrier]?.join(view)
        }
        interleaving.note(
            UInt64(block.number) << 8 | UInt64(barrier), owner(judged.slot).stableNumber, 0, 3)
    }

    func release(_ warps: [Warp], of barrier: Int, in block: BlockState) {
        guard let judged = block.judged, let view = judged.barriers[barrier] else { return }
        judged.barriers[barrier] = nil
        for warp in warps { warp.judged?.learn(view) }
    }

    func arrive(atCluster cluster: ClusterState, _ warp: Warp) {
        guard let judged = warp.judged else { return }
        let view = judged.synchronise()
        if cluster.arriving == nil { cluster.arriving = view } else { cluster.arriving?.join(view) }
    }

    /// All of a cluster have arrived.
    func complete(_ cluster: ClusterState) {
        if let view = cluster.arriving { cluster.completed = view }
        cluster.arriving = nil
    }

    func wait(for cluster: ClusterState, _ warp: Warp) {
        if let view = cluster.completed { warp.judged?.learn(view) }
    }

    // Mbarriers

    /// Runs an operation on mbarriers, whose addresses stand in `a` plus `x`.
    func runMbarrier(
        _ handler: StepHandler, _ aspect: StepAspect, _ core: Core, _ step: UnsafePointer<Step>
    ) -> Int32 {
        let warp = core.pointee.warp
        guard let judged = warp.judged, let block = warp.block.judged else { return handler(core, step) }
        let (mask, index) = (core.pointee.mask, warp.index(of: step))
        let addresses = (0..<32).map { core.sharedAddress(step.pointee.a, step.pointee.x, $0) }
        let lanes = (0..<32).filter { mask >> UInt32($0) & 1 != 0 }
        switch aspect {
        case .mbarrierInit:
            for lane in lanes {
                let event = judged.event(lane, step: index, .write)
                guard recordBarrier(addresses[lane], event, .lane(judged, lane), warp.block) else {
                    return StepOutcome.failed
                }
                block.mbarriers[addresses[lane]] = JudgedBarrier(initialised: event)
            }
            return handler(core, step)
        case .mbarrierArrive:
            for lane in lanes {
                let event = judged.event(lane, step: index, .strong(.block))
                guard recordBarrier(addresses[lane], event, .lane(judged, lane), warp.block) else {
                    return StepOutcome.failed
                }
                let view = judged.publish(lane)
                block.mbarriers[addresses[lane]]?.arriving.join(view)
                interleaving.note(
                    UInt64(block.number) << 32 | UInt64(addresses[lane]), owner(judged.slot).stableNumber,
                    UInt64(lane), 4)
            }
            judged.advance()
            return handler(core, step)
        default:
            for lane in lanes {
                let event = judged.event(lane, step: index, .strong(.block))
                guard recordBarrier(addresses[lane], event, .lane(judged, lane), warp.block) else {
                    return StepOutcome.failed
                }
            }
            let outcome = handler(core, step)
            guard outcome == StepOutcome.proceed else { return outcome }
            let completed = core.bits(step.pointee.d)
            let first = lanes.first.map { addresses[$0] } ?? 0
            if mask == core.pointee.live, completed & mask == mask, lanes.allSatisfy({ addresses[$0] == first }) {
                if let view = block.mbarriers[first]?.completed { judged.learn(view) }
            } else {
                for lane in lanes where completed >> UInt32(lane) & 1 != 0 {
                    if let view = block.mbarriers[addresses[lane]]?.completed { judged.learn(lane, view) }
                }
            }
            return outcome
        }
    }

    /// The eight bytes of an mbarrier are memory too: whoever uses it must come after its initialisation.
    private func recordBarrier(
        _ address: UInt32, _ event: MemoryEvent, _ accessor: Accessor, _ block: BlockState
    ) -> Bool {
        guard let offset = block.shared.pointee.offset(of: UInt64(address), count: 8), address % 8 == 0 else {
            return true
        }
        return access(block.shared, offset, 8, event, accessor, in: .shared)
    }

    /// An mbarrier's phase is complete: whoever waits for it learns what all that arrived knew.
    func completePhase(of address: UInt32, in block: BlockState) {
        guard let judged = block.judged, let barrier = judged.mbarriers[address] else { return }
        judged.mbarriers[address]?.completed = barrier.arriving
        judged.mbarriers[address]?.arriving = View()
    }

    // Fences

    func fence(_ order: MemoryOrder, _ core: Core, _ step: UnsafePointer<Step>) {
        guard let judged = core.pointee.warp.judged, let scope = order.scope else { return }
        let index = core.pointee.warp.index(of: step)
        for lane in 0..<32 where core.pointee.mask >> UInt32(lane) & 1 != 0 {
            if order.strength == .sequentiallyConsistent {
                sequentialFences.learnEarlier(judged, lane, scope, self)
                let message = judged.fence(lane, scope, step: index, self)
                sequentialFences.add(message, lane)
                interleaving.note(.max, owner(judged.slot).stableNumber, UInt64(lane), 5)
            } else {
                judged.fence(lane, scope, step: index, self)
            }
        }
        judged.advance()
    }

    func fence(_ proxy: ProxyFence, _ core: Core, _ step: UnsafePointer<Step>) {
        let warp = core.pointee.warp
        guard let judged = warp.judged, let block = warp.block.judged else { return }
        let mask = core.pointee.mask
        if proxy == .barrierInit || proxy == .async || proxy == .asyncShared {
            for lane in 0..<32 where mask >> UInt32(lane) & 1 != 0 {
                let event = judged.event(lane, step: warp.index(of: step), [])
                for (address, barrier) in block.mbarriers where judged.knows(barrier.initialised, lane) {
                    if barrier.fences.count < 32 { block.mbarriers[address]?.fences.append(event) }
                }
            }
        }
        judged.fence(proxy, mask: mask, isWhole: mask == core.pointee.live)
    }
}
