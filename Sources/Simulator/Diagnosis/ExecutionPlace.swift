import KernelLanguage

/// Where in a running kernel something happened.
public struct ExecutionPlace: Hashable, Sendable, CustomStringConvertible {
    /// Name of the kernel.
    public var kernel: String
    /// The line of Swift that emitted the operation.
    public var location: SourceLocation
    /// Index of the block in the grid.
    public var block: Int
    /// Index of the warp in the block.
    public var warp: Int
    /// Index of the lane in the warp.
    public var lane: Int

    /// Kernel, line, block, warp and lane.
    public var description: String { "\(location): kernel \(kernel), block \(block), warp \(warp), lane \(lane)" }
}
