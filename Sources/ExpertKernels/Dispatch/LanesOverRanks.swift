import KernelLanguage

extension KernelBuilder {
    /// Assigns every rank to one lane of the warp: up to 32 ranks at once and without a loop, more of them 32 at a
    /// time. Initialise sums over a lane's ranks before the call.
    ///
    /// - Parameter body: Called with a closure that returns the lane's rank; from `ranks` on it stands for none. All
    ///   lanes take part in each call.
    func lanesOverRanks(_ ranks: Int, _ body: (_ rank: () -> Value<UInt32>) -> Void) {
        if ranks <= Hopper.warpThreads { return body { lane } }
        `for`(to: (ranks + Hopper.warpThreads - 1) / Hopper.warpThreads) { group in
            let rank = (group << 5) + lane
            body { rank }
        }
    }
}
