import KernelLanguage

/// Keeps down how much the loading thread has on its way.
///
/// The memory needs a few stages to be always busy. More of them take up L2 in which outputs should stay. Only time depends on
/// it: without it the same is loaded.
struct LoadPacing {
    private let ring: StageRing
    /// The stage that has to be full before the next load.
    private let landing: StageRing.Position

    init(_ k: KernelBuilder, _ ring: StageRing) {
        self.ring = ring
        landing = ring.start(k)
    }

    /// Before the load into a stage, when `passed` have been loaded. Stages of which rows have not been loaded yet never
    /// become full, so where the thread is not `ready` to load rows it goes on.
    func await(_ k: KernelBuilder, passed: Value<UInt32>, ready: Condition) {
        guard ring.configuration.stagesInFlight < ring.configuration.stages else { return }
        k.if(passed >= ring.configuration.stagesInFlight) {
            let stage = ring.current(landing)
            k.if(ready) { k.wait(stage.full, parity: stage.parity) }
            ring.advance(k, landing)
        }
    }
}
