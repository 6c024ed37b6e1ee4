import KernelLanguage

/// Race reports: from two unordered events to a sentence that a person can act on.
extension Judge {
    func report(
        _ earlier: MemoryEvent, _ later: MemoryEvent, _ accessor: Accessor, _ region: UnsafeMutablePointer<Region>,
        offset: Int, size: Int, _ space: MemorySpace
    ) {
        let (missing, remedy) = explain(earlier, later, accessor, space)
        let label =
            space == .shared
            ? "shared memory" : machine.memory.nearest(region.pointee.base + UInt64(offset))?.label ?? "global memory"
        machine.fail(
            .race(
                RaceReport(
                    allocation: label, offset: offset, first: access(earlier), second: access(later), missing: missing,
                    remedy: remedy)))
    }

    /// A block ends, and its shared memory with it, while a bulk store may still read there.
    func failUnread(_ store: JudgedCopy) {
        guard let place = place(store.reading) else { return }
        machine.fail(
            .invalidOperation(
                place,
                problem:
                    "the block ends before anybody has waited for this bulk store to have read its source in shared "
                    + "memory; bulkStoreWait(.sourceRead) before the end"))
    }

    private func access(_ event: MemoryEvent) -> RaceReport.Access {
        let owner = owner(event.slot)
        return RaceReport.Access(operation: name(event), place: place(event), stream: owner.stream, rank: owner.rank)
    }

    private func place(_ event: MemoryEvent) -> ExecutionPlace? {
        let owner = owner(event.slot)
        return owner.program.map {
            ExecutionPlace(
                kernel: $0.kernel.name, location: $0.locations[Int(event.step)], block: owner.block, warp: owner.warp,
                lane: event.lane == MemoryEvent.severalLanes ? 0 : Int(event.lane))
        }
    }

    func line(_ event: MemoryEvent) -> String { place(event).map { "\($0.location)" } ?? "host work" }

    func name(_ event: MemoryEvent) -> String {
        let owner = owner(event.slot)
        guard let program = owner.program else { return event.isWrite ? "write" : "read" }
        let direction = event.isWrite ? "write" : "read"
        switch program.aspects[Int(event.step)] {
        case .load(let access), .store(let access), .atomic(let access):
            let order = access.order == .weak ? "plain" : "\(access.order)"
            switch program.aspects[Int(event.step)] {
            case .load: return "\(order) load"
            case .store: return "\(order) store"
            default: return "\(order) atomic"
            }
        case .bulkLoad, .tensorLoad: return "\(direction) of a bulk load"
        case .bulkStore, .tensorStore: return "\(direction) of a bulk store"
        case .multiply: return "\(direction) of a warp-group multiply"
        case .network(let operation): return name(operation, event)
        case .mbarrierInit: return "initialisation of an mbarrier"
        case .mbarrierArrive, .mbarrierTryWait: return "use of an mbarrier"
        default: return direction
        }
    }

    /// The kind of a synchronising access.
    private func noun(_ event: MemoryEvent) -> String {
        switch owner(event.slot).program?.aspects[Int(event.step)] {
        case .load: "load"
        case .store: "store"
        default: "atomic"
        }
    }

    private func explain(
        _ earlier: MemoryEvent, _ later: MemoryEvent, _ accessor: Accessor, _ space: MemorySpace
    ) -> (String, String) {
        let (first, second) = (owner(earlier.slot), owner(later.slot))
        if let found = explain(network: earlier, later, accessor) { return found }
        if earlier.isAsynchronous, first.kind != .network, !issuerKnows(earlier) {
            return explain(unfinished: earlier, first)
        }
        if case .asynchronous(let view, _, _) = accessor, view.seen.knows(earlier) {
            if case .mbarrierInit? = first.program?.aspects[Int(earlier.step)] {
                return (
                    "the initialisation of the mbarrier at \(line(earlier)) is not made visible to asynchronous copies",
                    "put proxyFence(.barrierInit) after it, and a barrier before \(line(later))"
                )
            }
            let fence = space == .shared ? ".asyncShared" : ".asyncGlobal"
            return (
                "no proxy fence stands between the \(name(earlier)) at \(line(earlier)) and the \(name(later)) at "
                    + "\(line(later))",
                "put proxyFence(\(fence)) between what makes the data visible and the copy"
            )
        }
        if earlier.isStrong, later.isStrong, earlier.isWide != later.isWide {
            return (
                "both synchronise, but they are of different sizes, and only accesses of one size to one place do",
                "read and write the word in one size everywhere"
            )
        }
        if earlier.isStrong, later.isStrong {
            return (
                "both synchronise, but the scope of one does not hold the other's thread",
                "use \(first.rank == second.rank ? ".gpu" : ".system") scope on both"
            )
        }
        if let edge = edges.recent.first(where: { $0.knowledge?.seen.knows(earlier) ?? false && concerns($0, later) }) {
            return explain(edge, earlier)
        }
        if first.blockNumber == second.blockNumber {
            if first.warp == second.warp, first.kind == .warp, second.kind == .warp {
                return (
                    "the two are lanes of one warp, and no syncWarp stands between their accesses",
                    "put syncWarp() between them"
                )
            }
            return (
                "the two are threads of one block, and no barrier or mbarrier leads from \(line(earlier)) to "
                    + "\(line(later))",
                "put barrier(…) between them, with all threads that take part"
            )
        }
        if first.stream == second.stream, first.run < second.run, let program = first.program {
            return (
                "the second kernel may start before \(program.kernel.name), which comes before it in its stream, is "
                    + "complete, and does not wait for it",
                "waitForPrerequisites() before \(line(later)), and in every kernel between the two before it lets "
                    + "dependent kernels start; or launch without dependence"
            )
        }
        if let edge = edges.recent.first(where: {
            $0.kind == .synchronises && concerns($0, later) && owner($0.writer.slot).blockNumber == first.blockNumber
        }) {
            if earlier.isAsynchronous {
                return (
                    "the \(name(earlier)) at \(line(earlier)) need not have been performed when \(line(edge.writer)) "
                        + "releases: it is waited for later, or by another thread without a barrier in between",
                    "wait for it, such as by bulkStoreWait(.completed), and meet at a barrier if another thread releases, "
                        + "before \(line(edge.writer))"
                )
            }
            return (
                "the release at \(line(edge.writer)) does not cover the \(name(earlier)) at \(line(earlier)): that is "
                    + "another thread's, and no barrier stands between it and the release",
                "put a barrier of all threads that write before \(line(edge.writer))"
            )
        }
        if let edge = edges.recent.first(where: {
            $0.kind == .synchronises && concerns($0, earlier) && owner($0.writer.slot).blockNumber == second.blockNumber
        }) {
            return (
                "the \(name(later)) at \(line(later)) comes after what \(line(edge.reader)) acquired, or before it; "
                    + "nothing orders it after \(line(earlier))",
                "release after \(line(earlier)) and acquire before \(line(later))"
            )
        }
        return (
            "no release and acquire, barrier, event or kernel boundary leads from \(line(earlier)) to \(line(later))",
            "release after the first and acquire before the second, in a scope that holds both threads"
        )
    }

    private func explain(_ edge: EdgeLog.Edge, _ earlier: MemoryEvent) -> (String, String) {
        let (reader, writer) = (owner(edge.reader.slot), owner(edge.writer.slot))
        let isRemote = reader.rank != writer.rank || writer.kind == .network
        let scope = isRemote ? ".system" : ".gpu"
        switch edge.kind {
        case .relaxedWrite, .synchronises:
            let isHalf = order(edge.writer)?.strength == .acquire
            return (
                "the \(noun(edge.writer)) at \(line(edge.writer)) \(isHalf ? "acquires only" : "is relaxed"): nothing orders "
                    + "the \(name(earlier)) at \(line(earlier)) before it",
                "give it order: \(isHalf || isOneAtomic(edge) ? ".acquireRelease" : ".release")(\(scope))"
            )
        case .relaxedRead:
            let isHalf = order(edge.reader)?.strength == .release
            return (
                "the \(noun(edge.reader)) at \(line(edge.reader)) \(isHalf ? "releases only" : "is relaxed"): nothing orders "
                    + "what follows after what it read",
                "give it order: \(isHalf || isOneAtomic(edge) ? ".acquireRelease" : ".acquire")(\(scope)), or put "
                    + "fence(scope: \(scope)) behind it"
            )
        case .narrowScope:
            return (
                "the \(name(edge.writer)) at \(line(edge.writer)) and the \(name(edge.reader)) at \(line(edge.reader)) "
                    + "meet, but the scope of one does not hold the other's thread",
                "use scope \(scope) on both"
            )
        }
    }

    /// The order of a load, store or atomic operation.
    private func order(_ event: MemoryEvent) -> MemoryOrder? {
        owner(event.slot).program?.aspects[Int(event.step)].access?.order
    }

    /// Whether one read-modify-write in a kernel is both ends, as where threads count until the last one goes on: its order
    /// must be both.
    private func isOneAtomic(_ edge: EdgeLog.Edge) -> Bool {
        let (reader, writer) = (owner(edge.reader.slot).program, owner(edge.writer.slot).program)
        guard let reader, reader === writer, edge.reader.step == edge.writer.step else { return false }
        if case .atomic = reader.aspects[Int(edge.reader.step)] { return true }
        return false
    }

    /// An asynchronous access that even its issuer has not waited for.
    private func explain(unfinished event: MemoryEvent, _ owner: SlotOwner) -> (String, String) {
        switch owner.program?.aspects[Int(event.step)] {
        case .bulkStore, .tensorStore:
            return event.isWrite
                ? (
                    "the bulk store at \(line(event)) need not have been performed: nobody has waited for more than its "
                        + "reading",
                    "bulkStoreWait(.completed) before anything announces it"
                )
                : (
                    "the bulk store at \(line(event)) need not have read its source",
                    "bulkStoreWait(.sourceRead) before the source changes"
                )
        case .multiply:
            return (
                "the multiply at \(line(event)) may still read its operands", "multiplyWait before they change"
            )
        default:
            return (
                "the copy at \(line(event)) need not be complete",
                "wait for the phase of its mbarrier before its memory is used"
            )
        }
    }

    /// Whether somebody has waited for it.
    private func issuerKnows(_ event: MemoryEvent) -> Bool {
        if let time = waitedFor[event.slot], time >= event.time { return true }
        let owner = owner(event.slot)
        guard
            let block = machine.residentBlocks.first(where: { $0.judged?.number == owner.blockNumber }),
            block.warps.indices.contains(owner.warp)
        else { return false }
        return block.warps.contains { $0.judged?.publishAll().seen.knows(event) ?? false }
    }

    /// Whether an edge ends in the event's block.
    private func concerns(_ edge: EdgeLog.Edge, _ event: MemoryEvent) -> Bool {
        owner(edge.reader.slot).blockNumber == owner(event.slot).blockNumber
    }
}
