/// The extent of a grid, a block or a cluster.
package struct LaunchDimensions: Hashable, Sendable, CustomStringConvertible {
    /// The extent along each axis.
    package var x, y, z: Int

    /// Makes an extent; axes left out are 1.
    package init(_ x: Int, _ y: Int = 1, _ z: Int = 1) {
        self.x = x
        self.y = y
        self.z = z
    }

    /// The extent as `x×y×z`.
    package var description: String { "\(x)×\(y)×\(z)" }

    /// The number of members, or nil when an axis is not positive or beyond `limits`.
    func count(within limits: LaunchDimensions) -> Int? {
        guard (1...limits.x).contains(x), (1...limits.y).contains(y), (1...limits.z).contains(z) else { return nil }
        return x * y * z
    }
}

/// How a kernel is launched.
package struct LaunchConfiguration: Hashable, Sendable, CustomStringConvertible {
    /// Blocks: x at most 2^31 - 1, y and z at most 65535.
    package var grid: LaunchDimensions
    /// Threads per block: x and y at most 1024, z at most 64, together at most the function's limit.
    package var block: LaunchDimensions
    /// Dynamic shared memory per block in bytes.
    package var dynamicSharedBytes: Int
    /// Blocks per cluster, at most 8 together; must divide the grid along each axis. Nil for none.
    package var cluster: LaunchDimensions?
    /// Lets the kernel start before its predecessor in the stream is done, as far as the predecessor's
    /// `griddepcontrol.launch_dependents` allows; the kernel then waits with `griddepcontrol.wait`.
    package var programmaticDependentLaunch: Bool

    /// Makes a configuration. Nothing is checked until it is used.
    package init(
        grid: LaunchDimensions, block: LaunchDimensions, dynamicSharedBytes: Int = 0,
        cluster: LaunchDimensions? = nil, programmaticDependentLaunch: Bool = false
    ) {
        self.grid = grid
        self.block = block
        self.dynamicSharedBytes = dynamicSharedBytes
        self.cluster = cluster
        self.programmaticDependentLaunch = programmaticDependentLaunch
    }

    /// All values, for messages.
    package var description: String {
        "grid \(grid), block \(block), \(dynamicSharedBytes) bytes of dynamic shared memory"
            + (cluster.map { ", cluster \($0)" } ?? "")
            + (programmaticDependentLaunch ? ", programmatic dependent launch" : "")
    }

    /// Checks the GPU's limits. Throws `DriverError.invalidArgument` with the value, the limit and the remedy.
    package func check(function: String, maxThreadsPerBlock: Int) throws {
        func refuse(_ sentence: String) -> DriverError {
            .invalidArgument("The kernel \(function) cannot be launched: \(sentence).")
        }
        guard grid.count(within: LaunchDimensions(2_147_483_647, 65535, 65535)) != nil else {
            throw refuse("its grid is \(grid), but each axis needs at least 1 block and at most 2147483647×65535×65535")
        }
        guard let threads = block.count(within: LaunchDimensions(1024, 1024, 64)) else {
            throw refuse("its block is \(block), but each axis needs at least 1 thread and at most 1024×1024×64")
        }
        guard threads <= maxThreadsPerBlock else {
            throw refuse(
                "its block has \(threads) threads, but the kernel allows \(maxThreadsPerBlock); use fewer threads or "
                    + "fewer registers")
        }
        guard dynamicSharedBytes >= 0, dynamicSharedBytes <= Int(Int32.max) else {
            throw refuse("\(dynamicSharedBytes) is no size of shared memory; use 0 to 232448 bytes")
        }
        if let cluster {
            guard let blocks = cluster.count(within: LaunchDimensions(8, 8, 8)), blocks <= 8 else {
                throw refuse("its cluster is \(cluster), but a cluster has 1 to 8 blocks")
            }
            guard grid.x % cluster.x == 0, grid.y % cluster.y == 0, grid.z % cluster.z == 0 else {
                throw refuse("its cluster \(cluster) does not divide its grid \(grid); round the grid up")
            }
        }
    }

    /// Calls `body` with this configuration in the driver's layout. Call `check` first.
    package func withRaw<Result>(
        stream: UnsafeMutableRawPointer?, _ body: (UnsafeRawPointer) throws -> Result
    ) rethrows -> Result {
        var attributes: [RawLaunchAttribute] = []
        if let cluster {
            attributes.append(.clusterDimension(UInt32(cluster.x), UInt32(cluster.y), UInt32(cluster.z)))
        }
        if programmaticDependentLaunch {
            attributes.append(.programmaticStreamSerialization)
        }
        return try attributes.withUnsafeMutableBufferPointer { attributes in
            var raw = RawLaunchConfiguration(
                gridX: UInt32(grid.x), gridY: UInt32(grid.y), gridZ: UInt32(grid.z),
                blockX: UInt32(block.x), blockY: UInt32(block.y), blockZ: UInt32(block.z),
                sharedBytes: UInt32(dynamicSharedBytes), stream: stream,
                attributes: attributes.isEmpty ? nil : UnsafeMutableRawPointer(attributes.baseAddress),
                attributeCount: UInt32(attributes.count))
            return try withUnsafePointer(to: &raw) { try body(UnsafeRawPointer($0)) }
        }
    }
}
