import KernelLanguage

/// A ring of stages in shared memory between the producer and the consumer warps: a pair of mbarriers for each stage
/// says when it is full and when it is empty again.
struct StageRing {
    let configuration: GEMMConfiguration
    let pipeline: GEMMPipeline
    private let weights: SharedPointer<Float8E4M3>
    private let rows: SharedPointer<Float8E4M3>
    private let scales: SharedPointer<Float>
    private let full: SharedPointer<UInt64>
    private let empty: SharedPointer<UInt64>

    /// Lays the ring out. Swizzled tiles start at multiples of 1,024 bytes.
    init(_ k: KernelBuilder, _ configuration: GEMMConfiguration) {
        self.configuration = configuration
        pipeline = configuration.pipeline
        let stages = pipeline.stages
        weights = k.shared(Float8E4M3.self, count: stages * pipeline.weightBytes, alignment: 1024)
        rows = k.shared(Float8E4M3.self, count: stages * pipeline.rowBytes, alignment: 1024)
        scales = k.shared(Float.self, count: stages * configuration.tile.m, alignment: 128)
        full = k.memoryBarriers(count: stages)
        empty = k.memoryBarriers(count: stages)
    }

    /// Initialises the mbarriers; one thread calls it, and a proxy fence and a barrier of the thread block follow.
    func initialise(_ k: KernelBuilder) {
        for stage in 0..<pipeline.stages {
            k.initialise(MemoryBarrier(full + stage), arrivals: 1)
            k.initialise(MemoryBarrier(empty + stage), arrivals: pipeline.consumerWarps)
        }
    }

    /// A thread's place in the ring. The stage and its parity are counted along: dividing the number of stages passed
    /// would take longer than multiplying few rows.
    struct Position {
        /// Number of stages that the thread has passed.
        let passed: Variable<UInt32>
        fileprivate let stage: Variable<UInt32>
        fileprivate let parity: Variable<UInt32>
    }

    func start(_ k: KernelBuilder) -> Position {
        Position(passed: k.variable(0 as UInt32), stage: k.variable(0 as UInt32), parity: k.variable(0 as UInt32))
    }

    /// A copy of `position`, which advances by itself.
    func mark(_ k: KernelBuilder, _ position: Position) -> Position {
        Position(
            passed: k.variable(position.passed.value), stage: k.variable(position.stage.value),
            parity: k.variable(position.parity.value))
    }

    /// One stage as the producer and the consumers see it.
    struct Stage {
        let weights: SharedPointer<Float8E4M3>
        let rows: SharedPointer<Float8E4M3>
        let scales: SharedPointer<Float>
        let full: MemoryBarrier
        let empty: MemoryBarrier
        let parity: Value<UInt32>
    }

    /// The stage at `position`.
    func current(_ position: Position) -> Stage {
        let stage = position.stage.value
        return Stage(
            weights: weights + stage * pipeline.weightBytes,
            rows: rows + stage * pipeline.rowBytes,
            scales: scales + stage * configuration.tile.m,
            full: MemoryBarrier(full + stage), empty: MemoryBarrier(empty + stage), parity: position.parity.value)
    }

    /// Moves on to the next stage.
    func advance(_ k: KernelBuilder, _ position: Position) {
        position.passed.add(1)
        let next = position.stage.value + 1
        let isRound = next == pipeline.stages
        position.parity.value = position.parity.value ^ isRound.select(k.constant(UInt32(1)), k.constant(UInt32(0)))
        position.stage.value = isRound.select(k.constant(UInt32(0)), next)
    }

    /// The warp has no more use for the stage.
    func release(_ k: KernelBuilder, _ stage: Stage) {
        k.syncWarp()
        k.if(k.isFirstLane) { k.arrive(stage.empty) }
    }
}
