/// A relation between at most 64 events, as a row of bits for each.
struct Relation {
    private(set) var rows: [UInt64]

    init(_ count: Int) { rows = [UInt64](repeating: 0, count: count) }

    @inline(__always)
    func contains(_ a: Int, _ b: Int) -> Bool { rows[a] >> UInt64(b) & 1 != 0 }

    @inline(__always)
    mutating func insert(_ a: Int, _ b: Int) { rows[a] |= 1 << UInt64(b) }

    mutating func formUnion(_ other: Relation) { for index in rows.indices { rows[index] |= other.rows[index] } }

    /// Adds a pair to a relation that is transitive and keeps it so.
    mutating func insertTransitively(_ a: Int, _ b: Int) {
        let reached = rows[b] | 1 << UInt64(b)
        for index in rows.indices where index == a || contains(index, a) { rows[index] |= reached }
    }

    /// Takes the transitive closure (Warshall).
    mutating func close() {
        for middle in rows.indices {
            let reached = rows[middle]
            guard reached != 0 else { continue }
            for index in rows.indices where contains(index, middle) { rows[index] |= reached }
        }
    }

    /// Some event comes before itself, in a relation that is transitive.
    var isReflexive: Bool { rows.indices.contains { contains($0, $0) } }

    /// The composition: a pair of this relation, then one of the other.
    func followed(by other: Relation) -> Relation {
        var result = Relation(rows.count)
        for index in rows.indices {
            var left = rows[index]
            while left != 0 {
                result.rows[index] |= other.rows[left.trailingZeroBitCount]
                left &= left - 1
            }
        }
        return result
    }
}
