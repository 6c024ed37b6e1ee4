import KernelLanguage

/// An access that has not happened yet although the warp has gone on: a relaxed load or store, or where races are
/// followed any access.
struct PostponedAccess {
    /// Index of its step.
    let step: Int
    let mask: UInt32
    /// Where races are followed: what its lanes knew.
    var followed: [FollowedAccess] = []
}

/// The scheduler of a judged machine: one agent after the other runs up to its next visible step, whose order others
/// can observe.
extension SimulatedMachine {
    /// Instructions after which an agent that does nothing visible gives way.
    private static let longestRun = 4096

    /// One of `count` choices of the schedule; 0 if there is only one.
    func choose(_ kind: Decision.Kind, _ count: Int) -> Int {
        guard let judge, count > 1 else { return 0 }
        return judge.schedule.choose(kind, count)
    }

    /// Whether a try-wait gives up although its time has not come.
    func givesUp() -> Bool { judge == nil ? random.below(8) == 0 : choose(.givingUp, 2) == 1 }

    /// A time in the range.
    func delay(_ range: ClosedRange<UInt64>) -> UInt64 {
        if judge == nil { return random.within(range) }
        return range.lowerBound + (range.upperBound - range.lowerBound) * UInt64(choose(.place, 4)) / 3
    }

    /// Lets a warp go on or a piece of asynchronous work happen.
    func runAgent(_ judge: Judge) {
        while let index = work.firstIndex(where: \.isVoid) { work.remove(at: index) }
        let count = runnable.count + work.count
        guard count > 0 else { return }
        var chosen = 0
        if count > 1 {
            // Choice 0 is the agent after the last one.
            lastAgent = lastAgent >= count ? 0 : lastAgent
            let agents = judge.schedule.readsAgents ? (0..<count).map { agent((lastAgent + $0) % count) } : []
            chosen = (lastAgent + judge.schedule.choose(.agent, count, agents: agents)) % count
        }
        lastAgent = chosen + 1
        counters.pointee.switches &+= 1
        if chosen < runnable.count {
            run(runnable[chosen], judge)
        } else {
            advanceClock(instructions: 16)
            complete(work.remove(at: chosen - runnable.count))
        }
    }

    private func agent(_ index: Int) -> UInt32 {
        if index < runnable.count { return runnable[index].judged?.slot ?? 0 }
        switch work[index - runnable.count] {
        case .load(let copy), .read(let copy), .perform(let copy): return copy.judged?.slot ?? 0
        case .multiply(let warp): return warp.judged?.multiplySlot ?? 0
        case .network(let action): return action.agent
        case .wake(let warp, _), .limit(let warp, _): return warp.judged?.slot ?? 0
        case .stream: return 0
        }
    }

    private func run(_ warp: Warp, _ judge: Judge) {
        let core = warp.core
        let program = warp.program
        let reached = warp.block.run.reached?.flags
        var executed = 0
        var isVisible = false
        var outcome = StepOutcome.proceed
        let longestRun = Int(min(UInt64(Self.longestRun), nextHaltStart &- counters.pointee.instructions))
        while outcome == StepOutcome.proceed, executed < longestRun {
            let index = Int(core.pointee.programCounter)
            let aspect = program.aspects[index]
            let isNextVisible = aspect.isVisible || judge.follows(aspect, core.pointee.steps + index)
            if isVisible, isNextVisible, judge.followsRaces { break }
            if !warp.postponed.isEmpty, judge.mustCatchUp(warp, before: index, aspect) {
                if isVisible { break }
                isVisible = true
                outcome = judge.catchUp(warp)
                guard outcome == StepOutcome.proceed else { break }
            }
            if isNextVisible {
                if isVisible { break }
                isVisible = true
            }
            core.pointee.programCounter &+= 1
            reached?[index] = true
            let step = core.pointee.steps + index
            if case .ordinary = aspect, !program.touchesMultiplies[index] {
                outcome = step.pointee.handler(core, step)
            } else {
                outcome = judge.run(aspect, index, core, step)
            }
            executed += 1
        }
        counters.pointee.instructions &+= UInt64(executed)
        advanceClock(instructions: UInt64(executed))
        if outcome == StepOutcome.finished { finish(warp) }
        if let limit = configuration.instructionLimit, counters.pointee.instructions > limit {
            fail(.instructionLimit(limit))
        }
    }
}

/// Steps under a judge.
extension Judge {
    /// Runs one step with what the judge has to do before and after it.
    func run(_ aspect: StepAspect, _ index: Int, _ core: Core, _ step: UnsafePointer<Step>) -> Int32 {
        let warp = core.pointee.warp
        let handler = step.pointee.handler
        if warp.program.touchesMultiplies[index], let judged = warp.judged {
            let touched = warp.program.touched[index]
            if let problem = judged.registers.touch(touched.places[...], writes: touched.writes) {
                return core.fail(step, problem)
            }
        }
        if let access = aspect.access, follows(aspect, step) { return follow(aspect, access, core, step) }
        switch aspect {
        case .ordinary, .visible, .end, .barrier, .clusterArrive, .clusterWait, .bulkLoad, .bulkStore, .tensorLoad,
            .tensorStore, .network:
            return handler(core, step)
        case .load(let access), .store(let access):
            if access.order.strength == .relaxed, postponesAccesses, step.pointee.y == 1,
                machine.choose(.postponement, 2) == 1
            {
                warp.postponed.append(PostponedAccess(step: index, mask: core.pointee.mask))
                warp.stepsPostponed = 0
                return StepOutcome.proceed
            }
            return run(handler, access, count: step.pointee.y, isWrite: aspect.isStore, isAtomic: false, core, step)
        case .atomic(let access):
            return run(handler, access, count: 1, isWrite: true, isAtomic: true, core, step)
        case .fence(let order):
            if followsRaces { follow(order, core, step) } else { fence(order, core, step) }
        case .proxyFence(let proxy): fence(proxy, core, step)
        case .syncWarp: warp.judged?.synchronise()
        case .mbarrierInit, .mbarrierArrive, .mbarrierTryWait: return runMbarrier(handler, aspect, core, step)
        case .bulkCommit:
            for lane in 0..<32 where core.pointee.mask >> UInt32(lane) & 1 != 0 { warp.judged?.commit(lane) }
        case .bulkWait(let pending, let reading):
            let outcome = handler(core, step)
            if outcome == StepOutcome.proceed { waited(core, pending: pending, reading: reading) }
            return outcome
        case .multiplyFence: warp.judged?.registers.fence()
        case .multiply:
            let group = warp.multiplies.committedGroups
            if let problem = warp.judged?.registers.issue(warp.program.multiplies[step.pointee.x], group: group) {
                return core.fail(step, problem)
            }
        case .multiplyWait:
            let outcome = handler(core, step)
            if outcome == StepOutcome.proceed {
                waitedForMultiplies(warp)
                warp.judged?.registers.wait(before: warp.multiplies.committedGroups - step.pointee.x)
            }
            return outcome
        case .prerequisitesWait:
            let outcome = handler(core, step)
            if outcome == StepOutcome.proceed { waitedForPredecessor(core) }
            return outcome
        }
        return handler(core, step)
    }

    /// Steps after which a postponed access happens in any case: every store becomes visible eventually.
    private static var longestPostponement: Int { 64 }

    /// Whether postponed accesses must happen before the next step.
    func mustCatchUp(_ warp: Warp, before index: Int, _ aspect: StepAspect) -> Bool {
        warp.stepsPostponed += 1
        if warp.stepsPostponed > Self.longestPostponement { return true }
        if !(followsRaces ? letsPass(aspect, warp) : aspect.letsPass) { return true }
        let next = warp.program.touched[index]
        return warp.postponed.contains { access in
            let own = warp.program.touched[access.step]
            // Its results must not be touched, and its operands must stay what they are.
            return own.results.contains { next.places.contains($0) }
                || next.results.contains { own.places.contains($0) }
        } || meets(warp, index, aspect)
    }

    /// Performs the postponed accesses.
    func catchUp(_ warp: Warp) -> Int32 {
        let core = warp.core
        let mask = core.pointee.mask
        defer { core.pointee.mask = mask }
        while !warp.postponed.isEmpty {
            let postponed = warp.postponed.removeFirst()
            let aspect = warp.program.aspects[postponed.step]
            guard let access = aspect.access else { continue }
            let step = core.pointee.steps + postponed.step
            core.pointee.mask = postponed.mask
            let outcome =
                followsRaces
                ? happen(postponed.followed, aspect, access, core, step)
                : run(step.pointee.handler, access, count: 1, isWrite: aspect.isStore, isAtomic: false, core, step)
            if outcome != StepOutcome.proceed { return outcome }
        }
        return StepOutcome.proceed
    }

    /// Whether the step accesses the word of a postponed access: a thread's accesses to one word stay in order.
    private func meets(_ warp: Warp, _ index: Int, _ aspect: StepAspect) -> Bool {
        guard let access = aspect.access else { return false }
        func address(_ index: Int, _ lane: Int) -> UInt64 {
            let step = warp.core.pointee.steps + index
            guard access.space == .global else {
                return UInt64(warp.core.sharedAddress(step.pointee.a, step.pointee.x, lane))
            }
            let address = warp.core.globalAddress(step.pointee.a, step.pointee.x, lane)
            // Memory may be mapped several times.
            guard let (region, offset) = machine.memory.find(address, count: 1) else { return address }
            return region.pointee.backing.pointee.home &+ UInt64(offset)
        }
        return warp.postponed.contains { postponed in
            guard let other = warp.program.aspects[postponed.step].access, other.space == access.space else {
                return false
            }
            return (0..<32).contains { lane in
                (warp.core.pointee.mask & postponed.mask) >> UInt32(lane) & 1 != 0
                    && address(index, lane) & ~15 == address(postponed.step, lane) & ~15
            }
        }
    }

    /// A multiply reads its operands. False if that is a race.
    func read(_ operation: MultiplyQueue.Operation, of warp: Warp) -> Bool {
        guard let judged = operation.judged else { return true }
        let plan = warp.program.multiplies[operation.plan]
        let shared = warp.block.shared
        return machine.math.forEachChunk(operation, plan, warp) { offset in
            self.access(shared, offset, 16, judged.reading, judged.accessor(.shared), in: .shared)
        }
    }
}
