/// The live shares of the L2, and the bytes to set aside for them.
package struct L2Shares {
    /// Bytes to set aside whatever the shares are; nil for as many as they need.
    private let fixed: Int?
    /// Bytes that were set aside before.
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

    /// The bytes of the largest share and three quarters more: kernels of different layers run one after the other.
    /// With eight sixteenths, weights are read more slowly, on an H200 by 3 %, so it is seven at most unless the share
    /// itself is larger than six.
    package func setAsideBytes(of l2Bytes: Int) -> Int {
        if let fixed { return fixed }
        guard let most = bytes.values.max() else { return found }
        let sixteenth = l2Bytes / 16
        let needed = (min(most, l2Bytes) * 7 / 4 + sixteenth - 1) / sixteenth
        return max(found, min(max(needed, 5), most > 6 * sixteenth ? 8 : 7) * sixteenth)
    }
}
