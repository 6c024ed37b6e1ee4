import KernelLanguage

/// One part of a deadlock: a warp, a block or a stream, and what it waits for.
public struct BlockedWarp: Hashable, Sendable, CustomStringConvertible {
    /// Name of the kernel; nil for a stream that waits for an event.
    public var kernel: String?
    /// Index of the block in the grid, if one block waits.
    public var block: Int?
    /// Index of the warp in the block, if one warp waits.
    public var warp: Int?
    /// The line of Swift that emitted the waiting operation.
    public var location: SourceLocation?
    /// What it waits for, as a phrase.
    public var waitsFor: String

    /// One line.
    public var description: String {
        var parts: [String] = []
        if let location { parts.append("\(location):") }
        if let kernel { parts.append("kernel \(kernel)") }
        if let block { parts.append("block \(block)") }
        if let warp { parts.append("warp \(warp)") }
        parts.append("waits for \(waitsFor)")
        return parts.joined(separator: " ")
    }
}
