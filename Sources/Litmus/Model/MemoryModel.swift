import KernelLanguage

/// PTX's memory model as its manual and the papers on it define it: the ends that a candidate may have.
///
/// Lustig, Sahasrabuddhe, Giroux: A Formal Analysis of the NVIDIA PTX Memory Consistency Model, ASPLOS 2019; Lustig,
/// Cooksey, Giroux: Mixed-Proxy Extensions for the NVIDIA PTX Memory Consistency Model, ISCA 2022; PTX ISA, "Memory
/// Consistency Model".
struct MemoryModel {
    private let candidate: Candidate
    private let count: Int
    private var program: Relation
    private var strong: Relation
    /// Observation order: from a write to a read, through read-modify-writes.
    private var observed: Relation
    private var readsFrom: Relation
    /// Program order, synchronisation by patterns.
    private var ordered: Relation
    /// Accesses of one thread by one proxy to one address.
    private var programSameAddress: Relation
    private let sequentialFences: [Int]
    private let present: [Int]

    init(_ candidate: Candidate) {
        self.candidate = candidate
        count = candidate.count
        program = Relation(count)
        strong = Relation(count)
        programSameAddress = Relation(count)
        readsFrom = Relation(count)
        observed = Relation(count)
        present = (0..<count).filter { candidate.isPresent[$0] }
        for a in present {
            for b in present {
                if candidate.areMorallyStrong(a, b) { strong.insert(a, b) }
                guard candidate.isBefore(a, b) else { continue }
                program.insert(a, b)
                let (first, second) = (candidate.events[a], candidate.events[b])
                if first.isMemory, second.isMemory, first.address == second.address, first.proxy == second.proxy {
                    programSameAddress.insert(a, b)
                }
            }
        }
        sequentialFences = present.filter {
            candidate.events[$0].order.strength == .sequentiallyConsistent && candidate.events[$0].isFence
        }
        ordered = program
        for read in present where candidate.events[read].isRead {
            if let source = candidate.source[read] { readsFrom.insert(source, read) }
        }
        observe()
        synchronise()
    }

    private mutating func observe() {
        for read in present where candidate.events[read].isRead {
            // Back along the chain of read-modify-writes.
            var last = read
            while let source = candidate.source[last], strong.contains(source, last) {
                guard !observed.contains(source, read) else { break }
                observed.insert(source, read)
                guard let partner = candidate.events[source].partner, candidate.events[partner].isRead else { break }
                last = partner
            }
        }
    }

    /// Release patterns with the acquire patterns that observe them.
    private mutating func synchronise() {
        var pairs = Relation(count)
        for write in present where candidate.events[write].isWrite && candidate.events[write].isStrong {
            for read in present where observed.contains(write, read) && candidate.events[read].isStrong {
                for head in releases(of: write) {
                    for tail in acquires(of: read) where strong.contains(head, tail) { pairs.insert(head, tail) }
                }
            }
        }
        ordered.formUnion(pairs)
    }

    private func releases(of write: Int) -> [Int] {
        present.filter { head in
            let event = candidate.events[head]
            if event.isFence { return program.contains(head, write) }
            return event.releases && (head == write || programSameAddress.contains(head, write))
        }
    }

    private func acquires(of read: Int) -> [Int] {
        present.filter { tail in
            let event = candidate.events[tail]
            if event.isFence { return program.contains(read, tail) }
            return event.acquires && (tail == read || programSameAddress.contains(read, tail))
        }
    }

    // MARK: What is open

    /// Calls `body` with each coherence order that goes with an order of fences and meetings at barriers that the model
    /// allows, and with the causality order, until it gives false.
    func forEachExecution(_ body: (_ coherence: Relation, _ causality: Relation) -> Bool) {
        var goesOn = true
        for groups in BarrierMeetings(candidate).choices {
            var base = ordered
            for group in groups { meet(group, in: &base) }
            forEachFenceOrder(base, pairs: fencePairs[...], fences: []) { base, fences in
                guard goesOn else { return }
                var closed = base
                closed.close()
                // Causality must not contradict the order of fences.
                guard !fences.contains(where: { closed.contains($0.1, $0.0) }) else { return }
                let causality = causality(closed)
                forEachCoherence(causality) { coherence in
                    if goesOn, isConsistent(coherence, causality) { goesOn = body(coherence, causality) }
                    return goesOn
                }
            }
            if !goesOn { return }
        }
    }

    private func meet(_ group: [Int], in base: inout Relation) {
        for a in group {
            for b in group where candidate.events[a].thread != candidate.events[b].thread {
                if case .barrier(let barrier) = candidate.events[b].kind, !barrier.onlyArrives { base.insert(a, b) }
            }
        }
    }

    private var fencePairs: [(Int, Int)] {
        var pairs: [(Int, Int)] = []
        for (index, a) in sequentialFences.enumerated() {
            for b in sequentialFences[(index + 1)...]
            where candidate.events[a].thread != candidate.events[b].thread && strong.contains(a, b) {
                pairs.append((a, b))
            }
        }
        return pairs
    }

    private func forEachFenceOrder(
        _ base: Relation, pairs: ArraySlice<(Int, Int)>, fences: [(Int, Int)],
        _ body: (Relation, [(Int, Int)]) -> Void
    ) {
        guard let (a, b) = pairs.first else { return body(base, fences) }
        for (first, second) in [(a, b), (b, a)] {
            var next = base
            next.insert(first, second)
            forEachFenceOrder(next, pairs: pairs.dropFirst(), fences: fences + [(first, second)], body)
        }
    }

    // MARK: Causality

    /// Causality order: proxy-preserved base causality order, behind an observation or not.
    private func causality(_ base: Relation) -> Relation {
        var preserved = Relation(count)
        let memory = present.filter { candidate.events[$0].isMemory }
        for a in memory {
            for b in memory where candidate.events[a].memory == candidate.events[b].memory {
                if isPreserved(a, b, base) { preserved.insert(a, b) }
            }
        }
        var result = observed.followed(by: preserved)
        result.formUnion(preserved)
        return result
    }

    private func isPreserved(_ a: Int, _ b: Int, _ base: Relation) -> Bool {
        guard base.contains(a, b) else { return false }
        let (first, second) = (candidate.events[a], candidate.events[b])
        // Initial values are visible to everybody.
        guard first.thread >= 0, second.thread >= 0 else { return true }
        let isSameAddress = first.address == second.address
        if isSameAddress, first.proxy == second.proxy {
            let (own, theirs) = (candidate.test.threads[first.thread], candidate.test.threads[second.thread])
            if first.proxy == .generic || own.sharesBlock(with: theirs) { return true }
        }
        // Along the way there must be the fences that lead from one proxy to the other, in this order.
        let starts = first.proxy == .generic ? [a] : fences(of: first, base).filter { base.contains(a, $0) }
        let ends = second.proxy == .generic ? [b] : fences(of: second, base).filter { base.contains($0, b) }
        func isOrdered(_ x: Int, _ y: Int) -> Bool { x == y || base.contains(x, y) }
        if isSameAddress {
            return starts.contains { start in ends.contains { isOrdered(start, $0) } }
        }
        return present.contains { fence in
            guard case .aliasFence = candidate.events[fence].kind else { return false }
            return starts.contains { isOrdered($0, fence) } && ends.contains { isOrdered(fence, $0) }
        }
    }

    /// Proxy fences of the access's proxy in its block.
    private func fences(of access: Event, _ base: Relation) -> [Int] {
        present.filter { fence in
            guard case .proxyFence(let proxy) = candidate.events[fence].kind, proxy == access.proxy else {
                return false
            }
            return candidate.test.threads[candidate.events[fence].thread].sharesBlock(
                with: candidate.test.threads[access.thread])
        }
    }

    // MARK: Coherence

    /// Coherence orders writes that causality orders and those that are morally strong; others it need not order, and
    /// the smallest orders allow all that is possible.
    private func forEachCoherence(_ causality: Relation, _ body: (Relation) -> Bool) {
        var coherence = Relation(count)
        let writes = present.filter { candidate.events[$0].isWrite }
        var open: [(Int, Int)] = []
        for a in writes {
            for b in writes where a != b && candidate.events[a].memory == candidate.events[b].memory {
                if candidate.isInitial(a) || causality.contains(a, b) { coherence.insert(a, b) }
                if a < b, strong.contains(a, b) { open.append((a, b)) }
            }
            if causality.contains(a, a) { return }
        }
        coherence.close()
        guard !coherence.isReflexive else { return }
        _ = extend(coherence, open[...], body)
    }

    private func extend(
        _ coherence: Relation, _ open: ArraySlice<(Int, Int)>, _ body: (Relation) -> Bool
    ) -> Bool {
        guard let (a, b) = open.first else { return body(coherence) }
        let rest = open.dropFirst()
        if coherence.contains(a, b) || coherence.contains(b, a) { return extend(coherence, rest, body) }
        for (first, second) in [(a, b), (b, a)] {
            var next = coherence
            next.insertTransitively(first, second)
            if !extend(next, rest, body) { return false }
        }
        return true
    }

    // MARK: Axioms

    private func isConsistent(_ coherence: Relation, _ causality: Relation) -> Bool {
        // From a read to the writes after the one that it read from.
        var fromReads = Relation(count)
        for read in present where candidate.events[read].isRead {
            guard let source = candidate.source[read] else { continue }
            for write in present where coherence.contains(source, write) { fromReads.insert(read, write) }
        }
        // Causality.
        for a in present {
            for b in present where readsFrom.contains(a, b) || fromReads.contains(a, b) {
                if causality.contains(b, a) { return false }
            }
        }
        // Atomicity.
        for read in present where candidate.events[read].isRead {
            guard let write = candidate.events[read].partner, candidate.isPresent[write] else { continue }
            for between in present
            where fromReads.contains(read, between) && strong.contains(read, between)
                && coherence.contains(between, write) && strong.contains(between, write)
            {
                return false
            }
        }
        // Sequential consistency per location.
        var communication = programSameAddress
        for a in present {
            for b in present where strong.contains(a, b) {
                if readsFrom.contains(a, b) || coherence.contains(a, b) || fromReads.contains(a, b) {
                    communication.insert(a, b)
                }
            }
        }
        communication.close()
        return !communication.isReflexive
    }

    /// Two accesses of which at least one writes, that neither are morally strong nor ordered by causality.
    func hasRace(_ causality: Relation) -> Bool {
        let memory = present.filter { candidate.events[$0].isMemory && !candidate.isInitial($0) }
        return memory.contains { a in
            memory.contains { b in
                let (first, second) = (candidate.events[a], candidate.events[b])
                return first.thread < second.thread && first.memory == second.memory
                    && (first.isWrite || second.isWrite) && !strong.contains(a, b) && !causality.contains(a, b)
                    && !causality.contains(b, a)
            }
        }
    }
}
