import KernelLanguage

/// Parameters of a kernel that writes to other ranks.
package struct PeersParameters: KernelParameters {
    /// UInt64 `[ranks]`: addresses of the ranks' windows, as this rank reaches them.
    package var peers: MemoryParameter<UInt64>
    /// The rank that the kernel runs on.
    package var rank: ScalarParameter<UInt32>

    /// A table of windows, and the number of the rank.
    package init(peers: MemoryParameter<UInt64>, rank: Int) {
        self.peers = peers
        self.rank = ScalarParameter(UInt32(rank))
    }
}

/// Further parameters of a kernel that sends over modelled links; see `PacedLink`.
package struct LinkParameters: KernelParameters {
    /// UInt64 `[ranks]` of the rank: device time in nanoseconds until which its link to each rank is busy.
    package var linkBusy: MemoryParameter<UInt64>

    /// The state of the rank's links.
    package init(linkBusy: MemoryParameter<UInt64>) { self.linkBusy = linkBusy }
}

/// Parameters of a kernel that waits for rows from other ranks.
package struct ArrivingParameters: KernelParameters {
    /// The rank's own window, see `RankWindow`.
    package var window: MemoryParameter<UInt32>
    /// The rank that the kernel runs on.
    package var rank: ScalarParameter<UInt32>
    /// UInt32 `[StepCounter.words]`: the rank's step counter.
    package var step: MemoryParameter<UInt32>

    /// A window, the number of its rank, and the rank's step counter.
    package init(window: MemoryParameter<UInt32>, rank: Int, step: MemoryParameter<UInt32>) {
        self.window = window
        self.rank = ScalarParameter(UInt32(rank))
        self.step = step
    }
}

/// Parameters of a kernel that sends rows home.
package struct HomeParameters: KernelParameters {
    /// The ranks' windows, and the rank that the kernel runs on.
    package var ranks: PeersParameters
    /// UInt32 `[StepCounter.words]`: the rank's step counter.
    package var step: MemoryParameter<UInt32>

    /// The ranks, and this rank's step counter.
    package init(ranks: PeersParameters, step: MemoryParameter<UInt32>) {
        self.ranks = ranks
        self.step = step
    }
}
