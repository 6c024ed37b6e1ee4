import KernelLanguage

// Waits on which only time depends: without them the same is loaded and multiplied.

/// Keeps down how much the loading thread has on its way.
///
/// The memory needs a few stages to be always busy. More of them take up L2 in which outputs should stay.
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

extension TileMultiplier {
    /// Keeps the second multiplying group two stages behind the first, so that each stores its rows while the other multiplies.
    func stagger(
        _ k: KernelBuilder, group: Value<UInt32>, step: Value<UInt32>, _ piece: TileSchedule.Piece,
        _ position: StageRing.Position
    ) {
        guard ring.configuration.staggers else { return }
        let behind = 2
        k.if(group > 0 && step + behind < piece.endStep) {
            let stage = ring.stage(k, behind, after: position)
            k.wait(stage.full, parity: stage.parity)
        }
    }
}
