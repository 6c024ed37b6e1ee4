/// How a memory access takes part in synchronisation, and with whom (PTX ISA, memory consistency model).
public enum MemoryOrder: Hashable, Sendable {
    /// Plain: orders nothing, and may not be used to communicate.
    case weak
    /// Atomic, but orders nothing else.
    case relaxed(MemoryScope)
    /// Later accesses of this thread come after the store that this load read from.
    case acquire(MemoryScope)
    /// Earlier accesses of this thread, and all that they observed, come before this store.
    case release(MemoryScope)
    /// Both, for read-modify-write operations and fences.
    case acquireRelease(MemoryScope)
    /// For fences only: acquires and releases, and all such fences whose scopes include each other's threads have one
    /// total order, so that of two threads that store, fence and load each other's word one sees the other's store.
    case sequentiallyConsistent(MemoryScope)

    /// An order without its scope.
    public enum Strength: String, CaseIterable, Hashable, Sendable {
        /// See `MemoryOrder.weak`.
        case weak
        /// See `MemoryOrder.relaxed`.
        case relaxed
        /// See `MemoryOrder.acquire`.
        case acquire
        /// See `MemoryOrder.release`.
        case release
        /// See `MemoryOrder.acquireRelease`.
        case acquireRelease
        /// See `MemoryOrder.sequentiallyConsistent`.
        case sequentiallyConsistent
    }

    /// The order of this strength; the scope of a weak one is dropped.
    public init(_ strength: Strength, _ scope: MemoryScope) {
        self =
            switch strength {
            case .weak: .weak
            case .relaxed: .relaxed(scope)
            case .acquire: .acquire(scope)
            case .release: .release(scope)
            case .acquireRelease: .acquireRelease(scope)
            case .sequentiallyConsistent: .sequentiallyConsistent(scope)
            }
    }

    /// The order without its scope.
    public var strength: Strength {
        switch self {
        case .weak: .weak
        case .relaxed: .relaxed
        case .acquire: .acquire
        case .release: .release
        case .acquireRelease: .acquireRelease
        case .sequentiallyConsistent: .sequentiallyConsistent
        }
    }

    /// Whom the order holds for; nil for a weak one, which holds for nobody.
    public var scope: MemoryScope? {
        switch self {
        case .weak: nil
        case .relaxed(let scope), .acquire(let scope), .release(let scope), .acquireRelease(let scope),
            .sequentiallyConsistent(let scope):
            scope
        }
    }
}

extension MemoryOrder: CustomStringConvertible {
    /// Such as "acquire (gpu scope)".
    public var description: String {
        scope.map { "\(strength.rawValue) (\($0.rawValue) scope)" } ?? strength.rawValue
    }
}

/// The threads that an ordering holds for.
public enum MemoryScope: String, Hashable, Sendable {
    /// Threads of the same block (PTX `cta`).
    case block
    /// Threads of the same cluster.
    case cluster
    /// Threads on the same GPU.
    case gpu
    /// Threads on every GPU and the host.
    case system
}

/// A hint for how long a line should stay in the caches.
public enum CacheHint: String, Hashable, Sendable {
    /// The device's default.
    case normal
    /// Read through the non-coherent path; only for data that no kernel in flight writes.
    case readOnly
    /// Touched once: do not keep in L1.
    case streaming
    /// Touched once: first to leave the L2.
    case evictFirst
    /// Read again soon: last to leave the L2.
    case evictLast
}

/// One kind of access to memory: element type, space, order and hint.
public struct MemoryAccess: Hashable, Sendable {
    /// Type of one element.
    public var element: ScalarType
    /// Where the address points.
    public var space: MemorySpace
    /// How it synchronises, and with whom.
    public var order: MemoryOrder
    /// Caching hint.
    public var cache: CacheHint

    /// An access; plain unless said otherwise.
    public init(
        _ element: ScalarType, _ space: MemorySpace, order: MemoryOrder = .weak, cache: CacheHint = .normal
    ) {
        self.element = element
        self.space = space
        self.order = order
        self.cache = cache
    }
}

/// Fences between the generic proxy (loads and stores) and the asynchronous one (bulk copies, tensor cores).
public enum ProxyFence: String, Hashable, Sendable {
    /// Orders this thread's generic and asynchronous accesses to shared memory.
    case asyncShared
    /// Orders this thread's generic and asynchronous accesses to global memory.
    case asyncGlobal
    /// Both of the above.
    case async
    /// Makes mbarrier initialisations visible to the asynchronous proxy and the cluster.
    case barrierInit
}
