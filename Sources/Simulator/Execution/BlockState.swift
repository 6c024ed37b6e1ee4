/// A resident block: its warps, shared memory and barriers.
final class BlockState {
    /// Addresses of shared memory start here; those below are reserved for the system.
    static let firstSharedAddress: UInt64 = 1024

    let run: KernelRun
    /// Index in the grid.
    let index: Int
    let clusterRank: Int
    let multiprocessor: Int
    let cluster: ClusterState
    let shared: UnsafeMutablePointer<Region>
    var warps: [Warp] = []
    /// Warps that have not finished.
    var liveWarps = 0
    var barriers = NamedBarriers()
    var mbarriers = MemoryBarriers()
    /// What a judge knows of it.
    var judged: JudgedBlock?
    /// The block let dependent kernels start, or has ended.
    var hasTriggered = false
    /// Place in the machine's list of resident blocks.
    var residentIndex = -1

    init(run: KernelRun, index: Int, clusterRank: Int, multiprocessor: Int, cluster: ClusterState) {
        self.run = run
        self.index = index
        self.clusterRank = clusterRank
        self.multiprocessor = multiprocessor
        self.cluster = cluster
        shared = .allocate(capacity: 1)
        shared.initialize(to: Region(base: Self.firstSharedAddress, bytes: run.kernel.sharedBytes))
    }

    deinit {
        shared.pointee.deallocate()
        shared.deallocate()
    }
}

/// The blocks of a cluster and their common barrier.
final class ClusterState {
    /// Barriers completed.
    var phase = 0
    var arrivedWarps = 0
    var liveWarps = 0
    var waiting: [Warp] = []
    /// For a judge: what the warps that have arrived know, and what those of the last completed barrier knew.
    var arriving: View?
    var completed: View?
}
