/// How much of the L2 is wanted by those who have a share of it.
package struct L2Shares {
    /// What is set aside whoever has a share.
    private let fixed: Int?
    /// What was set aside before.
    private let found: Int
    private var bytes: [Int: Int] = [:]
    private var next = 0

    package init(fixed: Int?, found: Int) {
        self.fixed = fixed
        self.found = found
    }

    package mutating func begin(_ bytes: Int) -> Int {
        defer { next += 1 }
        self.bytes[next] = bytes
        return next
    }

    package mutating func end(_ number: Int) { bytes[number] = nil }

    /// As much as the largest share needs: kernels of different layers run one after the other.
    package func setAsideBytes(of l2Bytes: Int) -> Int {
        if let fixed { return fixed }
        guard let most = bytes.values.max() else { return found }
        let sixteenth = l2Bytes / 16
        let needed = (min(most, l2Bytes) * 3 / 2 + sixteenth - 1) / sixteenth
        return max(found, min(max(needed, 5), 8) * sixteenth)
    }
}
