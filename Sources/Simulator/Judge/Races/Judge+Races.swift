import KernelLanguage

/// Following races: the behaviour of programs that the kernel language leaves undefined.
///
/// With `SimulatorConfiguration.followsRaces`, a race does not stop the machine. Each access to a word of global
/// memory, weak ones too, may then be postponed behind later ones to other words, and reads or writes what PTX's memory
/// model allows: the schedule chooses among the writes that a read may read from, and among the places in coherence
/// order that a write may have. Words are 4 or 8 bytes; vector accesses behave as without this.
extension Judge {
    /// Whether a step is an access that is followed.
    @inline(__always)
    func follows(_ aspect: StepAspect, _ step: UnsafePointer<Step>) -> Bool {
        guard followsRaces, let access = aspect.access, access.space == .global, access.element.bytes >= 4 else {
            return false
        }
        if case .atomic = aspect { return true }
        return step.pointee.y == 1
    }

    func areMorallyStrong(_ first: MemoryEvent, _ second: MemoryEvent) -> Bool {
        if first.slot == second.slot, first.lane == second.lane { return true }
        return first.exists && second.exists && first.isStrong && second.isStrong
            && includes(first.slot, second.slot, first.kind.scope)
            && includes(second.slot, first.slot, second.kind.scope)
    }

    /// Whether a release pattern that begins with `head` and an acquire pattern of `event`'s thread that ends in
    /// `scope` synchronise.
    private func synchronises(_ head: Message, _ event: MemoryEvent, _ scope: MemoryScope) -> Bool {
        includes(head.writer.slot, event.slot, head.scope) && includes(event.slot, head.writer.slot, scope)
    }

    private func key(_ judged: JudgedWarp, _ lane: Int) -> UInt64 { UInt64(judged.slot) << 8 | UInt64(lane) }

    // MARK: Steps

    /// A thread reaches an access: it happens now, or is postponed.
    func follow(_ aspect: StepAspect, _ access: MemoryAccess, _ core: Core, _ step: UnsafePointer<Step>) -> Int32 {
        let warp = core.pointee.warp
        guard let judged = warp.judged else { return step.pointee.handler(core, step) }
        let index = warp.index(of: step)
        let kind = access.order.scope.map { MemoryEvent.Kind.strong($0) } ?? []
        let acquires = access.order.acquires && !aspect.isStore
        var accesses = (0..<32).filter { core.pointee.mask >> UInt32($0) & 1 != 0 }.map { lane in
            if acquires { acquireEarlier(access, judged, lane, core, step) }
            return FollowedAccess(
                lane: lane, event: judged.event(lane, step: index, kind), view: judged.publish(lane),
                fences: followedLanes[key(judged, lane)]?.fences ?? [])
        }
        // What comes later is no part of what others learn of this.
        judged.advance()
        guard machine.choose(.delay, 2) == 1 else { return happen(accesses, aspect, access, core, step) }
        if acquires, let scope = access.order.scope {
            for position in accesses.indices { accesses[position].passed = [scope] }
        }
        warp.postponed.append(PostponedAccess(step: index, mask: core.pointee.mask, followed: accesses))
        warp.stepsPostponed = 0
        return StepOutcome.proceed
    }

    /// Accesses happen, lane by lane.
    func happen(
        _ accesses: [FollowedAccess], _ aspect: StepAspect, _ access: MemoryAccess, _ core: Core,
        _ step: UnsafePointer<Step>
    ) -> Int32 {
        let mask = core.pointee.mask
        defer { core.pointee.mask = mask }
        for followed in accesses {
            core.pointee.mask = 1 << UInt32(followed.lane)
            let outcome = happen(followed, aspect, access, core, step)
            if outcome != StepOutcome.proceed { return outcome }
        }
        return StepOutcome.proceed
    }

    private func happen(
        _ followed: FollowedAccess, _ aspect: StepAspect, _ access: MemoryAccess, _ core: Core,
        _ step: UnsafePointer<Step>
    ) -> Int32 {
        let (event, lane, handler) = (followed.event, followed.lane, step.pointee.handler)
        guard let judged = core.pointee.warp.judged,
            let (region, offset) = place(access.space, core, step, lane, access.element.bytes)
        else { return handler(core, step) }
        let word = history(region, offset, bytes: access.element.bytes)
        guard !word.isFull else { return abandon(core, step, "more accesses to a word than can be followed") }
        let choices: [WordHistory.Choice]
        if aspect.isStore {
            choices = word.writing(event, followed.view, self)
        } else {
            choices = word.reading(
                event, self,
                view: { source in
                    let heads = self.heads(word, source, event)
                    guard
                        !heads.contains(where: { head in
                            followed.passed.contains { self.synchronises(head, event, $0) }
                        })
                    else { return nil }
                    return self.view(after: heads, followed, access.order)
                },
                writes: { found in
                    guard case .atomic = aspect else { return false }
                    return step.pointee.z == 0 || found == operand(step.pointee.c, core, lane, word.bytes)
                })
        }
        guard !choices.isEmpty else {
            return abandon(core, step, "an access that was put off finds no place in the word's history any more")
        }
        let number = choices.count > 1 ? schedule.choose(.value, choices.count) : 0
        let choice = choices[number]
        interleaving.note(
            word.stableNumber, owner(judged.slot).stableNumber, UInt64(lane), UInt64(number) << 2 | 1)
        // The handler then does to the chosen value what it does.
        if let source = choice.source { word.value = word.accesses[source].value }
        let outcome = handler(core, step)
        guard outcome == StepOutcome.proceed else { return outcome }
        let heads = choice.source.map { self.heads(word, $0, event) } ?? []
        var view = followed.view
        if choice.source != nil {
            view = self.view(after: heads, followed, access.order)
            followedLanes[key(judged, lane), default: FollowedLane()].hear(heads, from: word)
            if access.order.acquires { judged.learn(lane, view) }
        }
        let read = choice.source.map { _ in WordHistory.Access(event: event, view: view) }
        let write = choice.writes ? writing(word, followed, access.order, view, heads) : nil
        word.append(choice, number: number, read, write, self)
        return StepOutcome.proceed
    }

    /// Release patterns that a read of `source` observes, those of its own thread aside.
    private func heads(_ word: WordHistory, _ source: Int, _ event: MemoryEvent) -> [Message] {
        guard event.isStrong, word.isObservation(source, event, self) else { return [] }
        return word.accesses[source].heads.filter {
            $0.writer.slot != event.slot || $0.writer.lane != event.lane
        }
    }

    /// What a thread knows after a read that has observed `heads`.
    private func view(after heads: [Message], _ followed: FollowedAccess, _ order: MemoryOrder) -> View {
        guard order.acquires, let scope = order.scope else { return followed.view }
        var view = followed.view
        for head in heads where synchronises(head, followed.event, scope) { view.join(head.view) }
        return view
    }

    /// An acquire also covers what the same thread has read from the word before (PTX ISA, "Acquire pattern").
    private func acquireEarlier(
        _ access: MemoryAccess, _ judged: JudgedWarp, _ lane: Int, _ core: Core, _ step: UnsafePointer<Step>
    ) {
        guard let scope = access.order.scope, let known = followedLanes[key(judged, lane)],
            let (region, offset) = place(access.space, core, step, lane, access.element.bytes)
        else { return }
        let word = ObjectIdentifier(history(region, offset, bytes: access.element.bytes))
        let event = judged.event(lane, step: core.pointee.warp.index(of: step), .strong(scope))
        for heard in known.heard where heard.word == word && synchronises(heard.head, event, scope) {
            judged.learn(lane, heard.head.view)
        }
    }

    private func writing(
        _ word: WordHistory, _ followed: FollowedAccess, _ order: MemoryOrder, _ view: View, _ handed: [Message]
    ) -> WordHistory.Access {
        var event = followed.event
        event.kind.insert(.write)
        var access = WordHistory.Access(event: event, view: view, value: word.value)
        if order.releases, let scope = order.scope {
            access.release = Message(view: view, scope: scope, writer: event)
        }
        guard event.isStrong else { return access }
        access.heads = word.releases(by: event) + [access.release].compactMap { $0 } + followed.fences + handed
        return access
    }

    private func operand(_ place: Int32, _ core: Core, _ lane: Int, _ bytes: Int) -> UInt64 {
        bytes == 8 ? core.lanes(place, as: UInt64.self)[lane] : UInt64(core.lanes(place, as: UInt32.self)[lane])
    }

    private func abandon(_ core: Core, _ step: UnsafePointer<Step>, _ problem: String) -> Int32 {
        isAbandoned = true
        return core.fail(step, problem)
    }

    private func history(
        _ region: UnsafeMutablePointer<Region>, _ offset: Int, bytes: Int
    ) -> WordHistory {
        let pointer = region.pointee.data + offset
        if let known = histories.first(where: { $0.pointer == pointer && $0.bytes == bytes }) { return known }
        let history = WordHistory(
            pointer, bytes: bytes, stableNumber: region.pointee.backing.pointee.home &+ UInt64(offset))
        histories.append(history)
        return history
    }

    // MARK: Fences

    /// A fence acquires what its thread has observed, in its scope.
    func follow(_ order: MemoryOrder, _ core: Core, _ step: UnsafePointer<Step>) {
        guard let judged = core.pointee.warp.judged, let scope = order.scope else { return }
        let index = core.pointee.warp.index(of: step)
        for lane in 0..<32 where core.pointee.mask >> UInt32(lane) & 1 != 0 {
            let key = key(judged, lane)
            let isSequential = order.strength == .sequentiallyConsistent
            if isSequential { sequentialFences.learnEarlier(judged, lane, scope, self) }
            let event = judged.event(lane, step: index, .strong(scope))
            for (_, head) in followedLanes[key]?.heard ?? [] where synchronises(head, event, scope) {
                judged.learn(lane, head.view)
            }
            let message = Message(view: judged.publish(lane), scope: scope, writer: event)
            followedLanes[key, default: FollowedLane()].fences.append(message)
            if isSequential { sequentialFences.add(message, lane) }
            interleaving.note(.max, owner(judged.slot).stableNumber, UInt64(lane), 5)
        }
        judged.advance()
    }

    /// Whether postponed accesses may pass the next step; where that step orders something, the schedule decides.
    func letsPass(_ aspect: StepAspect, _ warp: Warp) -> Bool {
        switch aspect {
        case .ordinary, .syncWarp: return true
        case .load(let access), .store(let access), .atomic(let access):
            return [.weak, .relaxed].contains(access.order.strength) || machine.choose(.delay, 2) == 1
        case .fence(let order):
            guard let scope = order.scope, machine.choose(.delay, 2) == 1 else { return false }
            for position in warp.postponed.indices { warp.postponed[position].letPass(scope) }
            return true
        default: return false
        }
    }

    // MARK: The end

    /// All is over: each word holds one of the writes that no other comes after.
    func settleRaces() {
        for word in histories {
            let values = word.lastValues
            word.value = values[values.count > 1 ? schedule.choose(.value, values.count) : 0]
        }
        histories = []
        followedLanes = [:]
    }
}

extension PostponedAccess {
    /// A fence goes past it, which would have acquired what it reads.
    fileprivate mutating func letPass(_ scope: MemoryScope) {
        for position in followed.indices { followed[position].passed.append(scope) }
    }
}
