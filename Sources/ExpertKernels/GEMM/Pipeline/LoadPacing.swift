import KernelLanguage

/// Limits the stages that the producer has in flight.
///
/// To be always busy, the memory needs a few stages of each thread block in flight, and more where thread blocks are
/// few. Any further ones take up L2 in which outputs should stay. Timing alone depends on it.
struct LoadPacing {
    private let ring: StageRing
    /// The stage that has to be full before the next load.
    private let landing: StageRing.Position
    /// Most stages in flight; nil for any number.
    private let limit: Value<UInt32>?

    /// The pacing of one of `activeBlocks` thread blocks.
    init(_ k: KernelBuilder, _ ring: StageRing, activeBlocks: Value<UInt32>) {
        self.ring = ring
        landing = ring.start(k)
        let pipeline = ring.pipeline
        let least = k.constant(UInt32(pipeline.stagesInFlight))
        if pipeline.stagesInFlight == pipeline.stages {
            limit = nil
        } else if ring.configuration.role.isAlone {
            let share = (activeBlocks / 2 + pipeline.stagesInFlightOfGrid) / activeBlocks.maximum(1)
            limit = share.maximum(least).minimum(pipeline.stages)
        } else {
            limit = least
        }
    }

    /// Waits before the load into a stage, when `passed` have been loaded. Stages whose rows have not been loaded never
    /// become full, so it does not wait where the producer is not `ready` to load rows.
    func await(_ k: KernelBuilder, passed: Value<UInt32>, ready: Condition) {
        guard let limit else { return }
        k.if(passed >= limit) {
            let stage = ring.current(landing)
            k.if(ready) { k.wait(stage.full, parity: stage.parity) }
            ring.advance(k, landing)
        }
    }
}
