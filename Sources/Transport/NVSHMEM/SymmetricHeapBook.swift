/// A process's memory in the symmetric heap, by the groups of ranks that it was allocated for, in the order in which
/// all processes have made them.
///
/// Processes free memory together and in one order. So each states which groups have gone in it, and groups in the
/// statements of all are freed.
package struct SymmetricHeapBook: Sendable {
    private struct Group {
        var addresses: [UInt64] = []
        var bytes = 0
        var isGone = false
    }

    /// Groups whose memory has not been freed, by number.
    private var groups: [Int: Group] = [:]
    private var begun = 0

    /// A book of an empty heap.
    package init() {}

    /// The number of the next group.
    package var next: Int { begun + 1 }

    /// Begins a group; returns its number.
    package mutating func begin() -> Int {
        begun += 1
        groups[begun] = Group()
        return begun
    }

    /// Notes an allocation of a group.
    package mutating func note(_ address: UInt64, bytes: Int, of number: Int) {
        groups[number]?.addresses.append(address)
        groups[number]?.bytes += bytes
    }

    /// Notes that a group has gone in this process.
    package mutating func leave(_ number: Int) { groups[number]?.isGone = true }

    /// The number of groups in use.
    package var inUse: Int { groups.values.count { !$0.isGone } }

    /// This process's statement on groups that have gone, or on all: the allocations of each, their number and bytes.
    package func statement(ofAll isOfAll: Bool = false) -> String {
        groups.filter { isOfAll || $0.value.isGone }.sorted { $0.key < $1.key }
            .map { "\($0.key):\($0.value.addresses.count):\($0.value.bytes)" }.joined(separator: " ")
    }

    /// The groups that are the same in the statements of all processes, in order.
    package static func agreed(_ statements: [String]) -> [Int] {
        let entries = statements.map { Set($0.split(separator: " ")) }
        guard let first = entries.first else { return [] }
        return entries.reduce(first) { $0.intersection($1) }.compactMap { Int($0.prefix { $0 != ":" }) }.sorted()
    }

    /// Removes a group; returns its addresses, in the order of allocation.
    package mutating func take(_ number: Int) -> [UInt64] { groups.removeValue(forKey: number)?.addresses ?? [] }
}
