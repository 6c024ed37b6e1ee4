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

    /// As much as the largest share needs, and three quarters as much again: kernels of different layers run one after
    /// the other. With eight sixteenths, weights are read more slowly, on an H200 by 3 %, so that it is seven at most
    /// unless what is to be kept fills nearly as many itself.
    package func setAsideBytes(of l2Bytes: Int) -> Int {
        if let fixed { return fixed }
        guard let most = bytes.values.max() else { return found }
        let sixteenth = l2Bytes / 16
        let needed = (min(most, l2Bytes) * 7 / 4 + sixteenth - 1) / sixteenth
        return max(found, min(max(needed, 5), most > 6 * sixteenth ? 8 : 7) * sixteenth)
    }
}
