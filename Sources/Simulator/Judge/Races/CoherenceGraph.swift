/// The accesses to one word, and the order of its writes as far as it is fixed: what PTX's memory model asks of a word
/// ("Coherence", "Atomicity", "SC-per-Location", "Causality") is checked on it whenever an access is added.
///
/// Coherence is a partial order: it has writes that are ordered by causality or morally strong, and no others. Access 0
/// is what the word holds at first.
struct CoherenceGraph {
    /// Sets of accesses are bits of one word.
    static let capacity = 64

    /// The relations of a new access to those before it, as sets of accesses.
    struct Relations {
        /// Comes after them in base causality order.
        var before: UInt64 = 0
        /// Comes before them, though they happened earlier: it was put off.
        var after: UInt64 = 0
        /// Of the same thread, and earlier.
        var program: UInt64 = 0
        /// Morally strong with them.
        var strong: UInt64 = 0
    }

    private struct Node {
        var before: UInt64
        var program: UInt64
        var strong: UInt64
        /// Of a write: those after it in coherence order.
        var coherence: UInt64 = 0
        /// Of a read: the write that it reads from.
        var source = -1
        /// Of a read-modify-write's write: its read.
        var read = -1
    }

    private var nodes = [Node(before: 0, program: 0, strong: 0)]
    private(set) var writes: UInt64 = 1

    var count: Int { nodes.count }

    func source(of read: Int) -> Int { nodes[read].source }

    func areStrong(_ a: Int, _ b: Int) -> Bool { nodes[a].strong >> UInt64(b) & 1 != 0 }

    /// Writes that no other comes after: the word may hold any of them at the end.
    var last: [Int] { writes.members.filter { nodes[$0].coherence == 0 } }

    // MARK: Growth

    private mutating func append(_ relations: Relations) {
        let bit = UInt64(1) << UInt64(nodes.count)
        for other in relations.strong.members { nodes[other].strong |= bit }
        for other in relations.after.members { nodes[other].before |= bit }
        nodes.append(
            Node(before: relations.before | 1, program: relations.program, strong: relations.strong))
    }

    /// The graph with one more read, from `source`; nil if an axiom forbids it.
    func reading(_ relations: Relations, from source: Int) -> CoherenceGraph? {
        var next = self
        next.append(relations)
        next.nodes[count].source = source
        return next.placements(of: nil).first
    }

    /// The graphs with one more write, wherever it may be in coherence order; first the one where it is last.
    func writing(_ relations: Relations) -> [CoherenceGraph] {
        var next = self
        next.append(relations)
        next.writes |= UInt64(1) << UInt64(count)
        return next.placements(of: count)
    }

    /// The same for the two halves of a read-modify-write.
    func updating(_ relations: Relations, from source: Int) -> [CoherenceGraph] {
        var next = self
        next.append(relations)
        next.nodes[count].source = source
        var write = relations
        let read = UInt64(1) << UInt64(count)
        write.before |= read
        write.program |= read
        write.strong |= read
        next.append(write)
        next.nodes[count + 1].read = count
        next.writes |= UInt64(1) << UInt64(count + 1)
        return next.placements(of: count + 1)
    }

    /// The graph in which a read of the same thread from the same write stands for the one at `index`.
    func replacing(_ index: Int, _ relations: Relations) -> CoherenceGraph {
        var next = self
        let bit = UInt64(1) << UInt64(index)
        for other in nodes.indices { next.nodes[other].before &= ~bit }
        for other in relations.after.members where other != index { next.nodes[other].before |= bit }
        next.nodes[index].before = (relations.before | 1) & ~bit
        return next
    }

    // MARK: Axioms

    /// The consistent graphs that follow when `write` is ordered against all that it is morally strong with.
    private func placements(of write: Int?) -> [CoherenceGraph] {
        var next = self
        let causes = causes
        guard next.close(causes) else { return [] }
        if let write {
            let open = nodes[write].strong & writes & ~next.nodes[write].coherence
            for other in open.members.reversed() where next.nodes[other].coherence >> UInt64(write) & 1 == 0 {
                let (after, before) = (next.ordering(other, write), next.ordering(write, other))
                return after.placements(of: write) + before.placements(of: write)
            }
        }
        return next.isConsistent(causes) ? [next] : []
    }

    private func ordering(_ first: Int, _ second: Int) -> CoherenceGraph {
        var next = self
        next.nodes[first].coherence |= UInt64(1) << UInt64(second)
        return next
    }

    /// For each access, those that come before it in causality order: in base causality, or observed by such a read.
    private var causes: [UInt64] {
        let observed = nodes.indices.map { read in
            var result: UInt64 = 0
            var last = read
            // Back along the chain of read-modify-writes.
            while last >= 0, nodes[last].source >= 0, areStrong(nodes[last].source, last) {
                result |= UInt64(1) << UInt64(nodes[last].source)
                last = nodes[nodes[last].source].read
            }
            return result
        }
        return nodes.map { node in node.before.members.reduce(node.before) { $0 | observed[$1] } }
    }

    /// Adds what causality says of writes. False if coherence then has a cycle.
    private mutating func close(_ causes: [UInt64]) -> Bool {
        nodes[0].coherence = writes & ~1
        for write in writes.members where write != 0 {
            for earlier in (causes[write] & writes).members { nodes[earlier].coherence |= UInt64(1) << UInt64(write) }
        }
        var rows = nodes.map(\.coherence)
        rows.closeTransitively()
        for write in writes.members {
            nodes[write].coherence = rows[write]
            if rows[write] >> UInt64(write) & 1 != 0 { return false }
        }
        return true
    }

    private func isConsistent(_ causes: [UInt64]) -> Bool {
        // What must have no cycle: program order, with communication between morally strong accesses.
        var edges = [UInt64](repeating: 0, count: count)
        for (index, node) in nodes.enumerated() {
            let bit = UInt64(1) << UInt64(index)
            for earlier in node.program.members { edges[earlier] |= bit }
            edges[index] |= node.coherence & node.strong
            guard node.source >= 0 else { continue }
            let later = nodes[node.source].coherence
            // Causality: nothing is read before it is written, or after what replaces it is known.
            if causes[node.source] & bit != 0 || later & causes[index] != 0 { return false }
            edges[index] |= later & node.strong
            if areStrong(node.source, index) { edges[node.source] |= bit }
        }
        // Atomicity.
        for write in writes.members where nodes[write].read >= 0 {
            let read = nodes[nodes[write].read]
            for between in (nodes[read.source].coherence & read.strong & nodes[write].strong & writes).members
            where nodes[between].coherence >> UInt64(write) & 1 != 0 {
                return false
            }
        }
        edges.closeTransitively()
        return !edges.indices.contains { edges[$0] >> UInt64($0) & 1 != 0 }
    }
}

extension UInt64 {
    /// The numbers of the bits that are set, from the lowest.
    var members: [Int] {
        var result: [Int] = []
        var left = self
        while left != 0 {
            result.append(left.trailingZeroBitCount)
            left &= left &- 1
        }
        return result
    }
}

extension [UInt64] {
    /// Takes the transitive closure of a relation, given by its rows.
    fileprivate mutating func closeTransitively() {
        for middle in indices where self[middle] != 0 {
            for row in indices where self[row] >> UInt64(middle) & 1 != 0 { self[row] |= self[middle] }
        }
    }
}
