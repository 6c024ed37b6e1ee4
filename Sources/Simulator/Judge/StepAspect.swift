import KernelLanguage

/// What the judge must know of a step.
enum StepAspect {
    /// Touches registers only, or is control flow.
    case ordinary
    case load(MemoryAccess)
    case store(MemoryAccess)
    case atomic(MemoryAccess)
    case fence(MemoryOrder)
    case proxyFence(ProxyFence)
    case syncWarp
    case barrier
    case clusterArrive
    case clusterWait
    case mbarrierInit
    case mbarrierArrive
    case mbarrierTryWait
    case bulkLoad
    case bulkStore
    case tensorLoad
    case tensorStore
    case bulkCommit
    case bulkWait(pending: Int, reading: Bool)
    case multiplyFence
    case multiply
    case multiplyWait
    case prerequisitesWait
    case network(NetworkOperation)
    /// Acts on others without memory: ends of kernels, exits, sleeps.
    case visible
    /// The end of the program.
    case end

    init(_ op: Op) {
        self =
            switch op {
            case .load(let access, _, _): .load(access)
            case .store(let access, _, _): .store(access)
            case .discard: .store(MemoryAccess(.uint32, .global))
            case .atomic(_, let access, _, _, _, _): .atomic(access)
            case .fence(let order): .fence(order)
            case .proxyFence(let fence): .proxyFence(fence)
            case .syncWarp: .syncWarp
            case .barrier: .barrier
            case .clusterBarrier(let action): action == .arrive ? .clusterArrive : .clusterWait
            case .mbarrierInit: .mbarrierInit
            case .mbarrierArrive: .mbarrierArrive
            case .mbarrierTryWait: .mbarrierTryWait
            case .bulkLoad: .bulkLoad
            case .bulkStore: .bulkStore
            case .tensorLoad: .tensorLoad
            case .tensorStore: .tensorStore
            case .bulkCommit: .bulkCommit
            case .bulkWait(let pending, let reading): .bulkWait(pending: pending, reading: reading)
            case .wgmmaFence: .multiplyFence
            case .wgmma: .multiply
            case .wgmmaWait: .multiplyWait
            case .dependentLaunch(let action): action == .wait ? .prerequisitesWait : .visible
            case .network(let operation): .network(operation)
            case .mbarrierInvalidate, .exit, .nanosleep: .visible
            case .move, .unary, .binary, .multiplyAdd, .compare, .select, .convert, .reinterpret, .pack, .unpack,
                .special, .parameter, .sharedAddress, .shuffle, .transpose, .vote, .elect, .bulkPrefetch,
                .tensorPrefetch, .wgmmaCommit, .setRegisterCount, .if, .loop, .breakIf:
                .ordinary
            }
    }

    /// Whether its order with the steps of other warps matters. That of plain loads and stores does not: whether they
    /// race depends on the steps that synchronise.
    var isVisible: Bool {
        switch self {
        case .ordinary, .end, .proxyFence, .syncWarp, .multiplyFence, .bulkCommit: false
        case .load(let access), .store(let access), .atomic(let access): access.order != .weak
        default: true
        }
    }

    /// The access of a load, store or atomic operation.
    var access: MemoryAccess? {
        switch self {
        case .load(let access), .store(let access), .atomic(let access): access
        default: nil
        }
    }

    var isStore: Bool { if case .store = self { true } else { false } }

    /// Whether a postponed relaxed access may pass this step.
    var letsPass: Bool {
        switch self {
        case .ordinary, .syncWarp: true
        case .load(let access), .store(let access): [.weak, .relaxed].contains(access.order.strength)
        default: false
        }
    }
}
