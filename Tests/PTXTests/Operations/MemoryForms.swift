import KernelLanguage

private let scopes: [MemoryScope] = [.block, .cluster, .gpu, .system]
private let spaces: [MemorySpace] = [.global, .shared]

extension Forms {
    /// Loads and stores: every element, space, order, scope, cache hint, vector length and kind of operand.
    static func memory() -> Forms {
        var forms = Forms("memory")
        let caches: [CacheHint] = [.normal, .readOnly, .streaming, .evictFirst, .evictLast]
        for element in ScalarType.allCases {
            for space in spaces {
                for cache in caches {
                    for count in [1, 2, 4] {
                        let access = MemoryAccess(element, space, cache: cache)
                        forms.addLoad([access], count)
                        forms.addStore([access], count)
                    }
                    for order in [MemoryOrder.Strength.relaxed, .acquire, .release] {
                        let accesses = scopes.map {
                            MemoryAccess(element, space, order: MemoryOrder(order, $0), cache: cache)
                        }
                        forms.addLoad(accesses, 1)
                        forms.addStore(accesses, 1)
                    }
                }
            }
        }
        for offset in [0, 128] { forms.add { k in k.emit(.discard(k.address(.global, offset: offset))) } }
        // Addresses with constant and large parts.
        let word = MemoryAccess(.uint32, .global)
        for address in [
            Address(.constant(4096)), Address(.constant(1 << 40), offset: -16), Address(.constant(0), offset: 1 << 40),
        ] {
            forms.add { k in k.emit(.store(word, [.constant(1)], address)) }
        }
        forms.add { k in k.emit(.store(word, [.constant(1)], k.address(.global, offset: -(1 << 33)))) }
        forms.add { k in k.emit(.store(MemoryAccess(.uint32, .shared), [.constant(1)], Address(.constant(1024)))) }
        return forms
    }

    private mutating func addLoad(_ accesses: [MemoryAccess], _ count: Int) {
        add { k in
            for access in accesses {
                let results = (0..<count).map { _ in k.register(access.element) }
                k.emit(.load(access, results, k.address(access.space, offset: 16)))
                for result in results { k.use(result) }
            }
        }
    }

    private mutating func addStore(_ accesses: [MemoryAccess], _ count: Int) {
        for constants in [false, true] {
            add { k in
                for access in accesses {
                    let values = (0..<count).map { _ in k.value(access.element, constant: constants) }
                    k.emit(.store(access, values, k.address(access.space, offset: 16)))
                }
            }
        }
    }

    /// Atomic operations, with and without result, in every order and scope; fences.
    static func atomics() -> Forms {
        var forms = Forms("atomic")
        for operation in AtomicOperation.allCases {
            for element in ScalarType.allCases {
                for space in spaces {
                    for order in [MemoryOrder.Strength.relaxed, .acquire, .release, .acquireRelease] {
                        for constants in [false, true] {
                            forms.addAtomic(operation, element, space, order, constants: constants)
                        }
                    }
                }
            }
        }
        for scope in scopes {
            forms.add { k in k.emit(.fence(.acquireRelease(scope))) }
            forms.add { k in k.emit(.fence(.sequentiallyConsistent(scope))) }
        }
        for fence in [ProxyFence.asyncShared, .asyncGlobal, .async, .barrierInit] {
            forms.add { k in k.emit(.proxyFence(fence)) }
        }
        return forms
    }

    private mutating func addAtomic(
        _ operation: AtomicOperation, _ element: ScalarType, _ space: MemorySpace, _ order: MemoryOrder.Strength,
        constants: Bool
    ) {
        add { k in
            for scope in scopes {
                let access = MemoryAccess(element, space, order: MemoryOrder(order, scope))
                for hasResult in [false, true] {
                    let result = hasResult ? k.register(element) : nil
                    k.emit(
                        .atomic(
                            operation, access, result, k.address(space, offset: 8),
                            k.value(element, constant: constants),
                            compare: operation == .compareAndSwap ? k.value(element, constant: constants) : nil))
                    if let result { k.use(result) }
                }
            }
        }
    }
}
