import KernelLanguage

/// Parameters of the rank barrier, besides those of `RankMasks` with masks.
package struct RankBarrierParameters: KernelParameters {
    /// The ranks, to whose windows it writes `RankWindow.barriers`.
    package var ranks: PeersParameters
    /// UInt32 `[StepCounter.words]`: the rank's step counter.
    package var step: MemoryParameter<UInt32>
    /// Fault record and time limit of its waits.
    package var watchdog: WatchdogParameters

    /// Parameters as given.
    package init(ranks: PeersParameters, step: MemoryParameter<UInt32>, watchdog: WatchdogParameters) {
        self.ranks = ranks
        self.step = step
        self.watchdog = watchdog
    }
}

/// Waits until every rank has reached its barrier of the same step, and ends the step: all that any rank did before its
/// barrier is ordered before all that any rank does after its own.
///
/// A step of dispatch and combine needs none, see `RowCounts`. Where a combine follows another one without a dispatch
/// between them, or where a dispatch is never combined, nothing else says that the others are done with the memory that
/// is written next.
///
/// Ranks that are masked are neither waited for nor written to.
///
/// One thread block of one warp. Takes `RankBarrierParameters`, and with masks those of `RankMasks`.
package func rankBarrierKernel(_ window: RankWindow) throws(VerificationError) -> Kernel {
    try KernelBuilder.build("rank_barrier_\(window.name)", threads: Hopper.warpThreads) { k in
        let parameters = k.parameters(RankBarrierParameters.self)
        let peers = Peers(parameters.ranks, window)
        let counter = StepCounter(parameters.step)
        let watchdog = Watchdog(parameters.watchdog, .rankBarrier, masks: RankMasks(k, window))
        k.waitForPrerequisites()
        let words = RankBarrierWords(peers: peers, step: counter.current(k))
        words.publish(k, watchdog.masks)
        words.await(k, watchdog)
        k.syncWarp()  // all lanes have read the step's number
        k.if(k.isFirstLane) { counter.finish(k) }
    }
}

/// The words by which ranks announce that they have reached a barrier: of each, the step of its last barrier.
private struct RankBarrierWords {
    /// How far another rank may be ahead: it may have reached its next barrier, a step or two later, which it does not
    /// leave without this rank. A word of an older step is further off, modulo 2³².
    private static let mostAhead = 1 << 16

    let peers: Peers
    /// The step under way.
    let step: Value<UInt32>

    /// Tells all other ranks that this one is here, ordered after what the kernels before have done and observed.
    func publish(_ k: KernelBuilder, _ masks: RankMasks?) {
        forOthers(k) { rank in
            let publish = {
                k.store(
                    step, to: peers.pointer(k, peers.window.barriers, of: rank) + peers.rank, order: .release(.system))
            }
            if let masks { k.if(!masks.hasMasked(k, rank), then: publish) } else { publish() }
        }
    }

    /// Waits until all others are here, or masks them. Lanes wait independently.
    func await(_ k: KernelBuilder, _ watchdog: Watchdog) {
        let words = peers.window.barriers.pointer(in: peers.own(k))
        forOthers(k) { rank in
            let subject = Watchdog.Subject(
                kind: .barrier, expert: k.constant(UInt32(0)), place: k.constant(UInt32(0)), expected: step.wide)
            _ = watchdog.wait(k, for: subject, from: rank) {
                let seen = k.load(words + rank, order: .acquire(.system))
                return .init(seen - step < Self.mostAhead, seen: seen.wide, source: { rank })
            }
        }
    }

    /// Calls `body` with a lane for each other rank.
    private func forOthers(_ k: KernelBuilder, _ body: (_ rank: Value<UInt32>) -> Void) {
        k.lanesOverRanks(peers.window.shape.ranks) { rank in
            let rank = rank()
            k.if(rank < peers.window.shape.ranks && rank != peers.rank) { body(rank) }
        }
    }
}
