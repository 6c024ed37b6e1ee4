import KernelLanguage

/// What the judge knows of a warp: its time, what its lanes know, and of what they have told.
///
/// What lanes know of their own warp stands in plain numbers; what they know of others in one view for all lanes, and
/// in views of their own for lanes that have acquired something since the last barrier of the warp.
final class JudgedWarp {
    let slot: UInt32
    unowned(unsafe) let warp: Warp
    /// Grows with everything that others may be told of.
    @exclusivity(unchecked) private(set) var time: UInt32 = 1
    /// Up to which time lanes know of each other.
    @exclusivity(unchecked) private(set) var syncTime: UInt32 = 0
    /// Lanes with accesses after that.
    @exclusivity(unchecked) private var accessed: UInt32 = 0
    @exclusivity(unchecked) private(set) var common: View
    @exclusivity(unchecked) private var laneViews: [View?] = []
    /// Up to which time each lane's own accesses have a proxy fence behind them.
    private var fencedShared = [UInt32](repeating: 0, count: 32)
    private var fencedGlobal = [UInt32](repeating: 0, count: 32)
    /// What lanes knew at their last fence, which later relaxed stores pass on.
    @exclusivity(unchecked) private var fences: [Int: Message] = [:]
    /// What lanes have read with relaxed loads, for a fence to acquire.
    @exclusivity(unchecked) private var unacquired: [Int: [(location: SyncLocation, message: Message)]] = [:]
    /// Stores of each lane: of its open bulk group, and of the committed ones that it has not waited for.
    private var openStores: [Int: [JudgedCopy]] = [:]
    private var committedStores: [Int: [[JudgedCopy]]] = [:]
    /// Slots for copies, each with the last event and whether it is over.
    var copySlots: [CopySlot] = []
    var multiplySlot: UInt32 = 0
    var multiplyTime: UInt32 = 0
    /// Registers that multiplies under way use.
    @exclusivity(unchecked) var registers = MultiplyRegisters()

    struct CopySlot {
        let slot: UInt32
        var time: UInt32
        var isOver: Bool
    }

    init(slot: UInt32, warp: Warp, view: View) {
        self.slot = slot
        self.warp = warp
        common = view
    }

    /// The event of an access by `lane` now.
    @inline(__always)
    func event(_ lane: Int, step: Int, _ kind: MemoryEvent.Kind) -> MemoryEvent {
        accessed |= 1 &<< UInt32(truncatingIfNeeded: lane)
        return MemoryEvent(
            slot: slot, time: time, step: UInt32(truncatingIfNeeded: step), lane: UInt8(truncatingIfNeeded: lane),
            kind: kind)
    }

    /// Whether `lane` knows of the event, fences between the proxies aside.
    @inline(__always)
    func knows(_ event: MemoryEvent, _ lane: Int) -> Bool {
        if event.slot == slot {
            if event.time <= syncTime || event.lane == UInt8(truncatingIfNeeded: lane) { return true }
        }
        if !laneViews.isEmpty, let view = laneViews[lane] { return view.seen.knows(event) }
        return common.seen.knows(event)
    }

    private func view(_ lane: Int) -> View { laneViews.isEmpty ? common : laneViews[lane] ?? common }

    /// What `lane` passes on when it releases now.
    func publish(_ lane: Int) -> View {
        var view = view(lane)
        if accessed & ~(1 << UInt32(lane)) == 0 {
            view.seen.learn(slot, time)
            view.fencedShared.learn(slot, fencedShared[lane])
            view.fencedGlobal.learn(slot, fencedGlobal[lane])
        } else {
            view.seen.learn(slot, syncTime)
            view.seen.learn(slot, lane: UInt8(lane), time)
            view.fencedShared.learn(slot, lane: UInt8(lane), fencedShared[lane])
            view.fencedGlobal.learn(slot, lane: UInt8(lane), fencedGlobal[lane])
        }
        return view
    }

    /// Time goes on: what comes now was not part of what was published.
    func advance() { time &+= 1 }

    func learn(_ lane: Int, _ other: View) {
        if laneViews.isEmpty { laneViews = [View?](repeating: nil, count: 32) }
        var view = laneViews[lane] ?? common
        laneViews[lane] = nil
        view.join(other)
        laneViews[lane] = view
    }

    /// All lanes learn the same.
    func learn(_ other: View) {
        common.join(other)
        for lane in laneViews.indices where laneViews[lane] != nil { laneViews[lane]?.join(other) }
    }

    /// A barrier of the warp: all lanes know what any of them knows. Gives that.
    @discardableResult
    func synchronise() -> View {
        for case let view? in laneViews { common.join(view) }
        laneViews = []
        addOwn(to: &common)
        accessed = 0
        syncTime = time
        time &+= 1
        return common
    }

    /// What all lanes together know, without telling each other.
    func publishAll() -> View {
        var view = common
        for case let other? in laneViews { view.join(other) }
        addOwn(to: &view)
        return view
    }

    /// All lanes' own accesses, and those of them with a proxy fence behind.
    private func addOwn(to view: inout View) {
        guard accessed != 0 else { return }
        view.seen.learn(slot, time)
        addFences(fencedShared, to: &view.fencedShared)
        addFences(fencedGlobal, to: &view.fencedGlobal)
    }

    private func addFences(_ times: [UInt32], to clock: inout VectorClock) {
        var least = time
        for lane in 0..<32 where accessed >> UInt32(lane) & 1 != 0 { least = min(least, times[lane]) }
        clock.learn(slot, least)
        for lane in 0..<32 where accessed >> UInt32(lane) & 1 != 0 && times[lane] > least {
            clock.learn(slot, lane: UInt8(lane), times[lane])
        }
    }

    // Bulk groups

    func open(_ store: JudgedCopy, _ lane: Int) { openStores[lane, default: []].append(store) }

    func commit(_ lane: Int) {
        committedStores[lane, default: []].append(openStores.removeValue(forKey: lane) ?? [])
    }

    /// The lane has waited for all but `pending` groups. Gives the events that it now knows.
    func waitForStores(_ lane: Int, pending: Int, reading: Bool) -> [MemoryEvent] {
        guard let groups = committedStores[lane], groups.count > pending else { return [] }
        let known = groups.dropLast(pending).joined().map { reading ? $0.reading : $0.writing }
        var view = View()
        for event in known { view.seen.learn(event.slot, event.time) }
        learn(lane, view)
        if !reading { committedStores[lane] = groups.suffix(pending) }
        return known
    }

    /// Stores that no lane has waited for to be performed.
    var unperformedStores: [JudgedCopy] {
        openStores.values.flatMap { $0 } + committedStores.values.flatMap { $0.flatMap { $0 } }
    }

    func fence(_ proxy: ProxyFence, mask: UInt32, isWhole: Bool) {
        for lane in 0..<32 where mask >> UInt32(lane) & 1 != 0 {
            if proxy == .asyncShared || proxy == .async { fencedShared[lane] = time }
            if proxy == .asyncGlobal || proxy == .async { fencedGlobal[lane] = time }
        }
        if isWhole {
            common.fence(proxy)
            for lane in laneViews.indices { laneViews[lane]?.fence(proxy) }
        } else {
            for lane in 0..<32 where mask >> UInt32(lane) & 1 != 0 {
                var fenced = view(lane)
                fenced.fence(proxy)
                learn(lane, fenced)
            }
        }
        time &+= 1
    }

    // Fences between memory orders

    /// A fence with release and acquire on `lane`. Gives what later stores pass on.
    @discardableResult
    func fence(_ lane: Int, _ scope: MemoryScope, step: Int, _ judge: Judge) -> Message {
        for (_, message) in unacquired.removeValue(forKey: lane) ?? []
        where judge.includes(slot, message.writer.slot, scope) {
            learn(lane, message.view)
        }
        let message = Message(view: publish(lane), scope: scope, writer: event(lane, step: step, .strong(scope)))
        fences[lane] = message
        return message
    }

    /// Messages that `lane` has heard with a relaxed read of the word.
    func remember(_ messages: [Message], _ lane: Int, from location: SyncLocation) {
        if messages.isEmpty { return }
        for message in messages {
            let isKnown = unacquired[lane]?.contains {
                $0.location === location && $0.message.writer.isSameMoment(as: message.writer)
            }
            if !(isKnown ?? false) { unacquired[lane, default: []].append((location, message)) }
        }
    }

    /// Takes what `lane` has heard from one word.
    func takeUnacquired(_ lane: Int, from location: SyncLocation) -> [Message] {
        guard !unacquired.isEmpty, let all = unacquired[lane], all.contains(where: { $0.location === location }) else {
            return []
        }
        unacquired[lane] = all.filter { $0.location !== location }
        return all.filter { $0.location === location }.map(\.message)
    }

    /// What a relaxed store of `lane` passes on.
    func fenceMessage(_ lane: Int) -> Message? { fences[lane] }
}
