import KernelLanguage

/// Keeps down how much the producer has on its way.
///
/// The memory needs a few stages of each thread block to be always busy, and of few thread blocks more. What is more
/// than that takes up L2 in which outputs should stay. Only time depends on it: without it the same is loaded.
struct LoadPacing {
    private let ring: StageRing
    /// The stage that has to be full before the next load.
    private let landing: StageRing.Position
    /// Stages that may be on their way; nil for any number.
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

    /// Before the load into a stage, when `passed` have been loaded. Stages of which rows have not been loaded yet
    /// never become full, so where the producer is not `ready` to load rows it goes on.
    func await(_ k: KernelBuilder, passed: Value<UInt32>, ready: Condition) {
        guard let limit else { return }
        k.if(passed >= limit) {
            let stage = ring.current(landing)
            k.if(ready) { k.wait(stage.full, parity: stage.parity) }
            ring.advance(k, landing)
        }
    }
}
