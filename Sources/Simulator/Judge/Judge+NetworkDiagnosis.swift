import KernelLanguage

/// Reports of races with the network.
extension Judge {
    /// The name of a network event in reports.
    func name(_ operation: NetworkOperation, _ event: MemoryEvent) -> String {
        switch operation {
        case .put:
            if event.kind.contains(.network) { return "signal of a network put" }
            return event.isWrite ? "write of a network put" : "read of a network put"
        case .add: return "network add"
        case .putWord: return "network put of a word"
        case .flush: return "network flush"
        }
    }

    /// Why accesses race with the network, and the remedy; nil where the missing edge has nothing to do with it.
    func explain(network earlier: MemoryEvent, _ later: MemoryEvent, _ accessor: Accessor) -> (String, String)? {
        let (first, second) = (owner(earlier.slot), owner(later.slot))
        guard first.kind == .network || second.kind == .network else { return nil }
        // The data is there, but not for the asynchronous proxy.
        if case .asynchronous(let view, _, _) = accessor, view.seen.knows(earlier) { return nil }
        // Somebody has read the word that tells of it, without acquiring it.
        let hasHeard = edges.recent.contains {
            $0.knowledge?.seen.knows(earlier) ?? false && owner($0.reader.slot).blockNumber == second.blockNumber
        }
        if hasHeard { return nil }
        if first.kind == .network, !earlier.isWrite {
            let isTold = second.kind == .network || isBehind(later, earlier)
            return isTold ? explain(overwritten: earlier, by: later) : explain(source: earlier, writtenBy: later)
        }
        if second.kind == .network, !later.isWrite { return explain(source: later, writtenBy: earlier) }
        if first.kind == .network, second.kind == .network { return explain(twice: earlier, later) }
        let (network, other) = first.kind == .network ? (earlier, later) : (later, earlier)
        if network.kind.contains(.network) { return explain(word: network, other) }
        return explain(target: network, other, isLater: first.kind == .network)
    }

    /// A source changes that may not have been read.
    private func explain(overwritten reading: MemoryEvent, by later: MemoryEvent) -> (String, String) {
        let told = waitedFor[reading.slot] ?? 0 >= reading.time
        return (
            told
                ? "the network may still read the source of the put at \(line(reading)) as far as the thread at "
                    + "\(line(later)) knows: another thread has flushed it, and nothing orders the two"
                : "the network may still read the source of the put at \(line(reading)): no flush has said that it has",
            "let networkFlush on the put's path give true before the source changes, in the thread that changes it or "
                + "before a barrier with that thread"
        )
    }

    /// The network reads bytes whose write the put's issuer does not know of.
    private func explain(source reading: MemoryEvent, writtenBy earlier: MemoryEvent) -> (String, String) {
        if owner(earlier.slot).kind == .network {
            return (
                "the put at \(line(reading)) reads what the \(name(earlier)) at \(line(earlier)) brings, and its issuer has "
                    + "not acquired that",
                "acquire the signal before the put is asked for"
            )
        }
        if isBehind(earlier, reading) { return explain(overwritten: reading, by: earlier) }
        return (
            "the put at \(line(reading)) does not cover the \(name(earlier)) at \(line(earlier)): that is another thread's, "
                + "and nothing orders it before the put",
            "put a barrier of all threads that write the source before \(line(reading))"
        )
    }

    /// Whether the thread of `event` knew, then, that the transfer had been asked for.
    private func isBehind(_ event: MemoryEvent, _ reading: MemoryEvent) -> Bool {
        guard let issued = transfers[reading.slot]?.issued else { return false }
        if issued.slot == event.slot, issued.lane == event.lane { return event.time > issued.time }
        return machine.residentBlocks.contains { block in
            block.warps.contains { $0.judged?.slot == event.slot && $0.judged?.knows(issued, Int(event.lane)) ?? false }
        }
    }

    /// Two operations write the same place.
    private func explain(twice earlier: MemoryEvent, _ later: MemoryEvent) -> (String, String) {
        let twice = earlier.slot == later.slot || line(earlier) == line(later)
        return (
            "the \(name(earlier)) at \(line(earlier)) and the \(name(later)) at \(twice ? "the same line" : line(later)) "
                + "meet in one place, and the network orders no operations among each other",
            "give each a place of its own, or let the peer answer the first before the second is asked for"
        )
    }

    /// A word that the network changes.
    private func explain(word network: MemoryEvent, _ other: MemoryEvent) -> (String, String) {
        if other.isWrite {
            return (
                "the \(name(network)) at \(line(network)) and the \(name(other)) at \(line(other)) change the same word: what "
                    + "the network does to a word is indivisible among its own adds alone",
                "leave the word to the network, as a counter that only grows; or reset it when nothing is under way, and "
                    + "tell all who add to it"
            )
        }
        if other.isStrong {
            return (
                "the \(name(other)) at \(line(other)) reads a word that the network changes, and an adapter is in no GPU's "
                    + "scope",
                "use .system scope"
            )
        }
        return (
            "the \(name(other)) at \(line(other)) reads a word that the network changes, and does not synchronise with it",
            "give it order: .acquire(.system)"
        )
    }

    /// Bytes that a put writes.
    private func explain(target put: MemoryEvent, _ other: MemoryEvent, isLater: Bool) -> (String, String) {
        let what = "the \(name(other)) at \(line(other))"
        if other.isWrite {
            return (
                "nothing orders \(what) and the put at \(line(put)), which writes there too",
                isLater
                    ? "acquire the put's own signal before the place changes"
                    : "acquire, before the put is asked for, something that comes behind \(line(other))"
            )
        }
        if transfers[put.slot]?.change == nil {
            return (
                "\(what) reads where the put at \(line(put)) writes, and that has no signal: nothing else can say that its "
                    + "bytes are there, neither operations behind it nor flushes",
                "let the put add to a word itself, and acquire that"
            )
        }
        if other.isStrong {
            return (
                "\(what) polls bytes that the put at \(line(put)) brings, which become visible in any order",
                "poll the word that the put adds to"
            )
        }
        let unheard = "\(what) has not acquired what the put at \(line(put)) adds to its own signal"
        let acquire = "acquire (.system) a value of that word which has this put's add in it"
        guard isLater else {
            return (
                "\(unheard), nor has the put's issuer heard that it is over",
                "\(acquire); or, if it reads what was there before, answer behind it, and acquire the answer before the put"
            )
        }
        return ("\(unheard): no other word says that its bytes are there", acquire)
    }
}
