import KernelLanguage

/// A ring of stages in shared memory between one loading warp and the multiplying warps: a pair of mbarriers for each
/// stage says when it is full and when it is empty again.
struct StageRing {
    let configuration: GEMMConfiguration
    let weights: SharedPointer<Float8E4M3>
    let rows: SharedPointer<Float8E4M3>
    let scales: SharedPointer<Float>
    private let full: SharedPointer<UInt64>
    private let empty: SharedPointer<UInt64>

    /// Lays the ring out. Swizzled tiles start at multiples of 1,024 bytes.
    init(_ k: KernelBuilder, _ configuration: GEMMConfiguration) {
        self.configuration = configuration
        let stages = configuration.stages
        weights = k.shared(Float8E4M3.self, count: stages * configuration.weightBytes, alignment: 1024)
        rows = k.shared(Float8E4M3.self, count: stages * configuration.rowBytes, alignment: 1024)
        scales = k.shared(Float.self, count: stages * configuration.blockM, alignment: 128)
        full = k.memoryBarriers(count: stages)
        empty = k.memoryBarriers(count: stages)
    }

    /// Initialises the mbarriers; one thread calls it, and the block meets at a barrier afterwards.
    func initialise(_ k: KernelBuilder) {
        for stage in 0..<configuration.stages {
            k.initialise(MemoryBarrier(full + stage), arrivals: 1)
            k.initialise(MemoryBarrier(empty + stage), arrivals: GEMMConfiguration.multiplyingWarps)
        }
        k.proxyFence(.barrierInit)
    }

    /// A place in the ring: the number of stages that this thread has passed.
    struct Position {
        let passed: Variable<UInt32>
    }

    func start(_ k: KernelBuilder) -> Position { Position(passed: k.variable(k.constant(UInt32(0)))) }

    /// One stage as loader and multipliers see it.
    struct Stage {
        let weights: SharedPointer<Float8E4M3>
        let rows: SharedPointer<Float8E4M3>
        let scales: SharedPointer<Float>
        let full: MemoryBarrier
        let empty: MemoryBarrier
        let parity: Value<UInt32>
    }

    /// The stage at `position`, which moves on.
    func next(_ k: KernelBuilder, _ position: Position) -> Stage {
        let passed = position.passed.value
        position.passed.add(1)
        return stage(passed)
    }

    /// The stage after `passed` others.
    func stage(_ passed: Value<UInt32>) -> Stage {
        let stage = passed % configuration.stages
        return Stage(
            weights: weights + stage * configuration.weightBytes,
            rows: rows + stage * configuration.rowBytes,
            scales: scales + stage * configuration.blockM,
            full: MemoryBarrier(full + stage), empty: MemoryBarrier(empty + stage),
            parity: (passed / configuration.stages) & 1)
    }
}
