/// Bulk groups of the lanes of a warp.
struct BulkGroups {
    /// Stores that a lane committed together.
    final class Group {
        /// Stores that have not read their source.
        var unread = 0
        /// Stores that have not been performed.
        var unperformed = 0
    }

    private var open: [Int: Group] = [:]
    private var committed: [Int: [Group]] = [:]

    /// The group that the lane's next store joins.
    mutating func current(lane: Int) -> Group {
        if let group = open[lane] { return group }
        let group = Group()
        open[lane] = group
        return group
    }

    /// Closes the lane's group; one without stores counts as a group too.
    mutating func commit(lane: Int) {
        committed[lane, default: []].append(open.removeValue(forKey: lane) ?? Group())
    }

    /// Whether all but the last `pending` groups of the lane have completed, or with `reading` have read their source.
    mutating func isSatisfied(lane: Int, pending: Int, reading: Bool) -> Bool {
        guard var groups = committed[lane] else { return true }
        while let first = groups.first, first.unperformed == 0 { groups.removeFirst() }
        committed[lane] = groups
        return groups.dropLast(pending).allSatisfy { reading ? $0.unread == 0 : $0.unperformed == 0 }
    }
}
