import KernelLanguage

extension KernelBuilder {
    /// Gives every rank to one lane of the warp: up to 32 ranks once and without a loop, more of them 32 at a time.
    /// What a lane adds up over its ranks starts before.
    ///
    /// - Parameter body: Called with what gives the lane's rank; there is none if that is not below `ranks`. All lanes
    ///   take part in each call.
    func lanesOverRanks(_ ranks: Int, _ body: (_ rank: () -> Value<UInt32>) -> Void) {
        if ranks <= Hopper.warpThreads { return body { lane } }
        `for`(to: (ranks + Hopper.warpThreads - 1) / Hopper.warpThreads) { group in
            let rank = (group << 5) + lane
            body { rank }
        }
    }
}
