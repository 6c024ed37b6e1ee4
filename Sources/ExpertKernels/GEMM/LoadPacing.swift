import KernelLanguage

/// Keeps down how much the loading thread has on its way.
///
/// The memory needs a few stages of each block to be always busy, and of few blocks more. What is more than that takes up L2 in which
/// outputs should stay. Only time depends on it: without it the same is loaded.
struct LoadPacing {
    private let ring: StageRing
    /// The stage that has to be full before the next load.
    private let landing: StageRing.Position
    /// Stages that may be on their way; nil for any number.
    private let limit: Value<UInt32>?

    /// The pacing of one of `workers` blocks.
    init(_ k: KernelBuilder, _ ring: StageRing, workers: Value<UInt32>) {
        self.ring = ring
        landing = ring.start(k)
        let configuration = ring.configuration
        let least = k.constant(UInt32(configuration.stagesInFlight))
        if configuration.stagesInFlight == configuration.stages {
            limit = nil
        } else if configuration.isAlone {
            let share = (workers / 2 + configuration.stagesInFlightOfGrid) / workers.maximum(k.constant(UInt32(1)))
            limit = share.maximum(least).minimum(k.constant(UInt32(configuration.stages)))
        } else {
            limit = least
        }
    }

    /// Before the load into a stage, when `passed` have been loaded. Stages of which rows have not been loaded yet never
    /// become full, so where the thread is not `ready` to load rows it goes on.
    func await(_ k: KernelBuilder, passed: Value<UInt32>, ready: Condition) {
        guard let limit else { return }
        k.if(passed >= limit) {
            let stage = ring.current(landing)
            k.if(ready) { k.wait(stage.full, parity: stage.parity) }
            ring.advance(k, landing)
        }
    }
}
