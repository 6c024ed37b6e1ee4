/// How a memory access takes part in synchronisation (PTX ISA, memory consistency model).
public enum MemoryOrder: String, Hashable, Sendable {
    /// Plain: orders nothing, and may not be used to communicate.
    case weak
    /// Indivisible, but orders nothing else.
    case relaxed
    /// Later accesses of this thread come after the store that this load read from.
    case acquire
    /// Earlier accesses of this thread, and all that they observed, come before this store.
    case release
    /// Both, for read-modify-write operations and fences.
    case acquireRelease
}

/// Which threads an ordering holds for.
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
    /// Ordering; anything but `.weak` needs a scope.
    public var order: MemoryOrder
    /// Scope of the ordering. Ignored for weak accesses.
    public var scope: MemoryScope
    /// Caching hint.
    public var cache: CacheHint

    /// An access; plain unless said otherwise.
    public init(
        _ element: ScalarType, _ space: MemorySpace, order: MemoryOrder = .weak, scope: MemoryScope = .block,
        cache: CacheHint = .normal
    ) {
        self.element = element
        self.space = space
        self.order = order
        self.scope = scope
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
