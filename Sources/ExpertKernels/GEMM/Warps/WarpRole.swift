import KernelLanguage

/// The roles of the warps of a GEMM's thread block. The consumer warp groups come first; the other roles share one warp
/// group, which gives most of its registers to them.
enum WarpRole {
    /// Consumer warps multiply and store tiles: `ConsumerMainloop` and the epilogues.
    case consumer
    /// The producer warp loads, with one thread: `ProducerWarp`.
    case producer
    /// Waits for rows that come in while the GEMM runs: `ArrivalsWarp`.
    case arrivals
    /// Publishes what the consumer warps have stored: `PublisherWarp`.
    case publisher

    /// The first warp of the role, the only one but for consumers.
    func warp(_ pipeline: GEMMPipeline) -> Int {
        switch self {
        case .consumer: 0
        case .producer: pipeline.consumerWarps
        case .arrivals: pipeline.consumerWarps + 1
        case .publisher: pipeline.consumerWarps + 2
        }
    }
}

extension KernelBuilder {
    /// Whether the calling warp has a role that only one warp has.
    func isWarp(_ role: WarpRole, of pipeline: GEMMPipeline) -> Condition { warpIndex == role.warp(pipeline) }
}

extension NamedBarrier {
    /// The barrier of all consumer warps.
    static let consumers = NamedBarrier(1)
    /// The first of four barriers, one for each consumer warp group.
    static let consumerGroup = NamedBarrier(2)
}
