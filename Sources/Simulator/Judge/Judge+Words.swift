import KernelLanguage

/// Loads, stores and atomic operations of warps.
extension Judge {
    typealias Core = UnsafeMutablePointer<WarpCore>

    /// Runs a load, store or atomic operation.
    func run(
        _ handler: StepHandler, _ access: MemoryAccess, count: Int, isWrite: Bool, isAtomic: Bool, _ core: Core,
        _ step: UnsafePointer<Step>
    ) -> Int32 {
        let warp = core.pointee.warp
        guard let judged = warp.judged else { return handler(core, step) }
        let bytes = access.element.bytes * count
        let kind = access.order.scope.map { .strong($0).union(bytes >= 8 ? .wide : []) } ?? MemoryEvent.Kind()
        let index = warp.index(of: step)
        var remaining = core.pointee.mask
        while remaining != 0 {
            let lane = remaining.trailingZeroBitCount
            remaining &= remaining &- 1
            guard let (region, offset) = place(access.space, core, step, lane, bytes) else {
                // Out of bounds or misaligned; the handler says so.
                return handler(core, step)
            }
            let event = judged.event(lane, step: index, isWrite ? kind.union(.write) : kind)
            let accessor = Accessor.lane(judged, lane)
            if isAtomic {
                let read = judged.event(lane, step: index, kind)
                guard self.access(region, offset, bytes, read, accessor, in: access.space) else {
                    return StepOutcome.failed
                }
            }
            guard self.access(region, offset, bytes, event, accessor, in: access.space) else {
                return StepOutcome.failed
            }
        }
        guard let scope = access.order.scope, count == 1 else { return handler(core, step) }
        if isAtomic { return update(handler, access, scope, judged, core, step) }
        return isWrite
            ? store(handler, access, scope, judged, core, step) : load(handler, access, scope, judged, core, step)
    }

    @inline(__always)
    func place(
        _ space: MemorySpace, _ core: Core, _ step: UnsafePointer<Step>, _ lane: Int, _ bytes: Int
    ) -> (UnsafeMutablePointer<Region>, Int)? {
        if space == .global {
            let address =
                core.lanes(step.pointee.a, as: UInt64.self)[lane] &+ UInt64(truncatingIfNeeded: step.pointee.x)
            guard address % UInt64(bytes) == 0, let region = core.pointee.global.pointee.find(address, count: bytes)
            else {
                return nil
            }
            return (region, Int(address - region.pointee.base))
        }
        let address = core.lanes(step.pointee.a, as: UInt32.self)[lane] &+ UInt32(truncatingIfNeeded: step.pointee.x)
        guard address % UInt32(bytes) == 0,
            let offset = core.pointee.shared.pointee.offset(of: UInt64(address), count: bytes)
        else { return nil }
        return (core.pointee.shared, offset)
    }

    /// A word that a lane synchronises with, and where it is.
    private struct Place {
        let lane: Int
        let location: SyncLocation
        let pointer: UnsafeMutableRawPointer

        var value: UInt64 {
            location.bytes == 8 ? pointer.load(as: UInt64.self) : UInt64(pointer.load(as: UInt32.self))
        }
    }

    private func places(_ access: MemoryAccess, _ core: Core, _ step: UnsafePointer<Step>) -> [Place] {
        (0..<32).compactMap { lane in
            core.pointee.mask >> UInt32(lane) & 1 != 0 ? self.place(access, core, step, lane) : nil
        }
    }

    /// The word's history; it starts with what is in memory.
    private func place(
        _ access: MemoryAccess, _ core: Core, _ step: UnsafePointer<Step>, _ lane: Int
    ) -> Place? {
        let bytes = access.element.bytes
        guard let (region, offset) = place(access.space, core, step, lane, bytes) else { return nil }
        let block = access.space == .global ? nil : core.pointee.warp.block
        return Place(
            lane: lane, location: location(region, offset, bytes: bytes, of: block),
            pointer: region.pointee.data + offset)
    }

    /// The history of a word of global memory, or of a block's shared memory.
    func location(
        _ region: UnsafeMutablePointer<Region>, _ offset: Int, bytes: Int, of block: BlockState? = nil
    ) -> SyncLocation {
        let pointer = region.pointee.data + offset
        let key = UInt(bitPattern: pointer)
        if let known = locations[key], known.bytes == bytes { return known }
        let stable =
            block.map { Interleaving.mix(owner($0.warps[0].judged?.slot ?? 0).stableNumber, UInt64(offset)) }
            ?? (region.pointee.backing.pointee.home &+ UInt64(offset))
        let location = SyncLocation(bytes: bytes, stableNumber: stable)
        if region.pointee.uninitialisedBytes == 0 || region.pointee.firstUninitialised(offset, count: bytes) == nil {
            let value = bytes == 8 ? pointer.load(as: UInt64.self) : UInt64(pointer.load(as: UInt32.self))
            location.append(.init(value: value, event: MemoryEvent(), messages: [], knowledge: nil))
        }
        locations[key] = location
        shadow(region).pointee.hasLocations = true
        return location
    }

    private func load(
        _ handler: StepHandler, _ access: MemoryAccess, _ scope: MemoryScope, _ judged: JudgedWarp, _ core: Core,
        _ step: UnsafePointer<Step>
    ) -> Int32 {
        let places = places(access, core, step)
        let outcome = handler(core, step)
        guard outcome == StepOutcome.proceed else { return outcome }
        let target = core.pointee.warp.list(step.pointee.z)[0]
        let index = core.pointee.warp.index(of: step)
        for place in places {
            let (lane, location) = (place.lane, place.location)
            let event = judged.event(lane, step: index, .strong(scope))
            let choices = location.readable(by: event) { judged.knows($0, lane) }
            let age = choices > 1 ? schedule.choose(.value, choices) : 0
            let (store, isNew) = location.read(age: age, by: event)
            // Polls that find the same store again do not change the interleaving.
            if isNew {
                interleaving.note(
                    location.stableNumber, owner(judged.slot).stableNumber, UInt64(lane), UInt64(age) << 2 | 1)
            }
            if access.element.bytes == 8 {
                core.result(target, as: UInt64.self)[lane] = store.value
            } else {
                core.result(target, as: UInt32.self)[lane] = UInt32(truncatingIfNeeded: store.value)
            }
            acquire(store, place, access.order, scope, judged, event)
        }
        return outcome
    }

    /// Messages of a store that a read in `scope` hears: each needs the other's thread in its scope.
    private func audible(_ store: SyncLocation.Store, to judged: JudgedWarp, _ scope: MemoryScope) -> [Message] {
        let isAudible = { (message: Message) in
            self.includes(message.writer.slot, judged.slot, message.scope)
                && self.includes(judged.slot, message.writer.slot, scope)
        }
        return store.messages.allSatisfy(isAudible) ? store.messages : store.messages.filter(isAudible)
    }

    /// Takes what a read has found into account: what its thread knows now, or what it missed.
    ///
    /// An acquire also covers what the same thread has read from the word before (PTX ISA, "Acquire pattern").
    private func acquire(
        _ store: SyncLocation.Store, _ place: Place, _ order: MemoryOrder, _ scope: MemoryScope, _ judged: JudgedWarp,
        _ event: MemoryEvent
    ) {
        let (lane, location) = (place.lane, place.location)
        let heard = store.event.exists ? audible(store, to: judged, scope) : []
        if order.acquires {
            for messages in [heard, judged.takeUnacquired(lane, from: location)] {
                for message in messages {
                    judged.learn(lane, message.view)
                    edges.add(.init(reader: event, writer: message.writer, kind: .synchronises, knowledge: nil))
                }
            }
        } else {
            judged.remember(heard, lane, from: location)
            for message in heard {
                edges.add(.init(reader: event, writer: message.writer, kind: .relaxedRead, knowledge: message.view))
            }
        }
        guard store.event.exists else { return }
        for message in heard.count == store.messages.count ? [] : store.messages
        where !heard.contains(where: { $0.writer.slot == message.writer.slot }) {
            edges.add(.init(reader: event, writer: message.writer, kind: .narrowScope, knowledge: message.view))
        }
        if let knowledge = store.knowledge {
            edges.add(.init(reader: event, writer: store.event, kind: .relaxedWrite, knowledge: knowledge))
        }
    }

    private func store(
        _ handler: StepHandler, _ access: MemoryAccess, _ scope: MemoryScope, _ judged: JudgedWarp, _ core: Core,
        _ step: UnsafePointer<Step>
    ) -> Int32 {
        let index = core.pointee.warp.index(of: step)
        let places = places(access, core, step)
        let outcome = handler(core, step)
        guard outcome == StepOutcome.proceed else { return outcome }
        let source = core.pointee.warp.list(step.pointee.z)[0]
        for place in places {
            let value =
                access.element.bytes == 8
                ? core.lanes(source, as: UInt64.self)[place.lane]
                : UInt64(core.lanes(source, as: UInt32.self)[place.lane])
            append(value, [], access.order, scope, place.location, judged, place.lane, index)
        }
        judged.advance()
        return outcome
    }

    /// Appends a store to the word's history; `handed` are the messages that a read-modify-write hands on, and `missed` is
    /// what it would hand on if the stores before it released.
    private func append(
        _ value: UInt64, _ handed: [Message], missing missed: View? = nil, _ order: MemoryOrder, _ scope: MemoryScope,
        _ location: SyncLocation, _ judged: JudgedWarp, _ lane: Int, _ index: Int
    ) {
        let event = judged.event(lane, step: index, MemoryEvent.Kind.strong(scope).union(.write))
        var messages = handed
        var knowledge: View?
        if order.releases {
            let message = Message(view: judged.publish(lane), scope: scope, writer: event)
            location.note(release: message)
            messages.append(message)
        } else {
            // A release pattern may also be a fence, or a release to the same word, and then this store.
            for message in [judged.fenceMessage(lane), location.release(by: event)].compactMap({ $0 }) {
                messages.append(message.narrowed(to: scope))
            }
            var own = judged.publish(lane)
            if let missed { own.join(missed) }
            knowledge = own
        }
        location.append(.init(value: value, event: event, messages: messages, knowledge: knowledge))
        interleaving.note(location.stableNumber, owner(judged.slot).stableNumber, UInt64(lane), 2)
    }

    /// Read-modify-write operations read the newest store, one lane after the other.
    private func update(
        _ handler: StepHandler, _ access: MemoryAccess, _ scope: MemoryScope, _ judged: JudgedWarp, _ core: Core,
        _ step: UnsafePointer<Step>
    ) -> Int32 {
        let index = core.pointee.warp.index(of: step)
        let places = places(access, core, step)
        let outcome = handler(core, step)
        guard outcome == StepOutcome.proceed else { return outcome }
        for place in places {
            let (lane, location) = (place.lane, place.location)
            let event = judged.event(lane, step: index, .strong(scope))
            var handed: [Message] = []
            var missed: View?
            if location.newest != nil {
                let found = location.read(age: 0, by: event).store
                acquire(found, place, access.order, scope, judged, event)
                handed = audible(found, to: judged, scope)
                missed = found.knowledge
            }
            // Of lanes that share a word nobody sees the values between, so the last one's stands for all.
            append(
                place.value, Self.merged(handed), missing: missed, access.order, scope, location, judged, lane, index)
        }
        judged.advance()
        return outcome
    }

    /// Messages of many read-modify-writes become one for each scope and place.
    static func merged(_ messages: [Message]) -> [Message] {
        guard messages.count > 4 else { return messages }
        var result: [Message] = []
        for message in messages {
            if let same = result.firstIndex(where: {
                $0.scope == message.scope && (message.scope == .system || $0.writer.slot == message.writer.slot)
            }) {
                result[same].view.join(message.view)
            } else {
                result.append(message)
            }
        }
        return result
    }
}
