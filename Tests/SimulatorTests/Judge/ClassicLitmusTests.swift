import KernelLanguage
import Simulator
import Testing

/// The classic litmus tests, for threads in one block, in one GPU and in different ranks, which may have the memory at
/// the same address or at addresses of their own, each with the exact set of
/// outcomes that PTX's memory model allows.
@Suite struct ClassicLitmusTests {
    private static let any2: Set<String> = ["0 0", "0 1", "1 0", "1 1"]

    /// Message passing: data, then a flag; the other side reads the flag, then the data.
    private func messagePassing(
        _ place: Litmus.Placement, data: MemoryOrder.Strength, write: MemoryOrder.Strength, read: MemoryOrder.Strength,
        scope: MemoryScope? = nil, fences: Bool = false
    ) throws -> Set<String> {
        let scope = scope ?? place.scope
        return try Litmus(
            place,
            { k, m in
                k.store(k.constant(1), to: m[0], order: MemoryOrder(data, scope))
                if fences { k.fence(scope: scope) }
                k.store(k.constant(1), to: m[1], order: MemoryOrder(write, scope))
                return []
            },
            { k, m in
                let flag = k.load(m[1], order: MemoryOrder(read, scope))
                if fences { k.fence(scope: scope) }
                let seen = k.variable(k.constant(UInt32(7)))
                if data == .weak {
                    k.if(flag == 1) { seen.value = k.load(m[0]) }
                } else {
                    seen.value = k.load(m[0], order: MemoryOrder(data, scope))
                }
                return [flag, seen.value]
            }
        ).outcomes()
    }

    @Test(arguments: Litmus.Placement.allCases)
    func messagePassingOfPlainData(_ place: Litmus.Placement) throws {
        #expect(try messagePassing(place, data: .weak, write: .release, read: .acquire) == ["0 7", "1 1"])
        #expect(try messagePassing(place, data: .weak, write: .relaxed, read: .acquire) == ["0 7", "race"])
        #expect(try messagePassing(place, data: .weak, write: .release, read: .relaxed) == ["0 7", "race"])
        #expect(try messagePassing(place, data: .weak, write: .relaxed, read: .relaxed) == ["0 7", "race"])
        #expect(
            try messagePassing(place, data: .weak, write: .relaxed, read: .relaxed, fences: true) == ["0 7", "1 1"])
    }

    @Test(arguments: Litmus.Placement.allCases)
    func messagePassingOfRelaxedData(_ place: Litmus.Placement) throws {
        let ordered: Set<String> = ["0 0", "0 1", "1 1"]
        #expect(try messagePassing(place, data: .relaxed, write: .release, read: .acquire) == ordered)
        #expect(try messagePassing(place, data: .relaxed, write: .relaxed, read: .relaxed, fences: true) == ordered)
        let tooWeak: [(MemoryOrder.Strength, MemoryOrder.Strength)] = [
            (.relaxed, .acquire), (.release, .relaxed), (.relaxed, .relaxed),
        ]
        for (write, read) in tooWeak {
            #expect(try messagePassing(place, data: .relaxed, write: write, read: read) == Self.any2)
        }
    }

    /// A scope that does not hold the other thread synchronises nothing.
    @Test func messagePassingInTooNarrowAScope() throws {
        for (place, scope) in [
            (Litmus.Placement.blocks, MemoryScope.block), (.ranks, .gpu), (.ranks, .block), (.mappings, .gpu),
        ] {
            #expect(
                try messagePassing(place, data: .weak, write: .release, read: .acquire, scope: scope) == ["race"])
        }
    }

    /// Both store and then load the other's word, with something in between.
    private func storeBuffering(
        _ place: Litmus.Placement, write: MemoryOrder.Strength = .relaxed, read: MemoryOrder.Strength = .relaxed,
        between: @escaping (KernelBuilder) -> Void = { _ in }
    ) throws -> Set<String> {
        func thread(_ own: Int, _ other: Int) -> Litmus.Thread {
            { k, m in
                k.store(k.constant(1), to: m[own], order: MemoryOrder(write, place.scope))
                between(k)
                return [k.load(m[other], order: MemoryOrder(read, place.scope))]
            }
        }
        return try Litmus(place, thread(0, 1), thread(1, 0)).outcomes()
    }

    /// Store buffering: nothing but a sequentially consistent fence forbids that both read the old value.
    @Test(arguments: Litmus.Placement.allCases)
    func storeBuffering(_ place: Litmus.Placement) throws {
        #expect(try storeBuffering(place) == Self.any2)
        #expect(try storeBuffering(place, write: .release, read: .acquire) == Self.any2)
        #expect(try storeBuffering(place) { $0.fence(scope: place.scope) } == Self.any2)
        #expect(try storeBuffering(place) { $0.sequentialFence(scope: place.scope) } == ["0 1", "1 0", "1 1"])
    }

    /// Sequentially consistent fences whose scopes do not hold each other's threads have no order.
    @Test func sequentialFencesInTooNarrowAScope() throws {
        for (place, scope) in [(Litmus.Placement.blocks, MemoryScope.block), (.ranks, .gpu), (.mappings, .gpu)] {
            #expect(try storeBuffering(place) { $0.sequentialFence(scope: scope) } == Self.any2)
        }
        #expect(try storeBuffering(.warps) { $0.sequentialFence(scope: .system) } == ["0 1", "1 0", "1 1"])
    }

    /// Independent reads of independent writes with sequentially consistent fences between the reads: the readers
    /// agree about the order.
    @Test func independentReadsWithSequentialFences() throws {
        func writer(_ word: Int) -> Litmus.Thread {
            { k, m in
                k.store(k.constant(1), to: m[word], order: .relaxed(.gpu))
                return []
            }
        }
        func reader(_ first: Int, _ second: Int) -> Litmus.Thread {
            { k, m in
                let one = k.load(m[first], order: .acquire(.gpu))
                k.sequentialFence(scope: .gpu)
                return [one, k.load(m[second], order: .acquire(.gpu))]
            }
        }
        let outcomes = try Litmus(.blocks, writer(0), writer(1), reader(0, 1), reader(1, 0)).outcomes()
        #expect(!outcomes.contains("1 0 1 0"))
        #expect(outcomes.contains("1 0 0 1") && outcomes.contains("0 1 1 0") && outcomes.contains("1 1 1 1"))
    }

    /// Between plain accesses, what the earlier fence's thread stored is there behind the later one; the other way
    /// round nothing orders them.
    @Test func sequentialFencesOrderPlainAccesses() throws {
        func thread(_ own: Int, _ other: Int) -> Litmus.Thread {
            { k, m in
                k.store(k.constant(1), to: m[own])
                k.sequentialFence(scope: .gpu)
                return [k.load(m[other])]
            }
        }
        #expect(try Litmus(.blocks, thread(0, 1), thread(1, 0)).outcomes() == ["race"])
    }

    /// Load buffering: relaxed loads may come after later stores, others may not.
    @Test(arguments: Litmus.Placement.allCases)
    func loadBuffering(_ place: Litmus.Placement) throws {
        func outcomes(_ read: MemoryOrder.Strength, _ write: MemoryOrder.Strength) throws -> Set<String> {
            func thread(_ own: Int, _ other: Int) -> Litmus.Thread {
                { k, m in
                    let seen = k.load(m[own], order: MemoryOrder(read, place.scope))
                    k.store(k.constant(1), to: m[other], order: MemoryOrder(write, place.scope))
                    return [seen]
                }
            }
            return try Litmus(place, thread(0, 1), thread(1, 0)).outcomes()
        }
        #expect(try outcomes(.relaxed, .relaxed) == Self.any2)
        #expect(try outcomes(.acquire, .relaxed) == ["0 0", "0 1", "1 0"])
        #expect(try outcomes(.relaxed, .release) == ["0 0", "0 1", "1 0"])
    }

    /// 2+2W: two threads write two words in opposite orders. Relaxed stores to different words may change places.
    @Test func twoPlusTwoWrites() throws {
        #expect(try Litmus.twoPlusTwoWrites(.relaxed).finalWords(2) == ["1 1", "1 2", "2 1", "2 2"])
    }

    /// R: a store against a store and a load.
    @Test func storeAgainstStoreAndLoad() throws {
        let outcomes = try Litmus(
            .blocks,
            { k, m in
                k.store(k.constant(1), to: m[0], order: .relaxed(.gpu))
                k.store(k.constant(1), to: m[1], order: .release(.gpu))
                return []
            },
            { k, m in
                k.store(k.constant(2), to: m[1], order: .relaxed(.gpu))
                return [k.load(m[0], order: .acquire(.gpu))]
            }
        ).outcomes(final: [1])
        #expect(outcomes == ["0 | 1", "0 | 2", "1 | 1", "1 | 2"])
    }

    /// S: a store that another thread's later store overwrites, which had seen the flag behind it.
    @Test func storeOverwrittenAfterItsFlag() throws {
        func outcomes(_ write: MemoryOrder.Strength, _ read: MemoryOrder.Strength) throws -> Set<String> {
            try Litmus(
                .blocks,
                { k, m in
                    k.store(k.constant(2), to: m[0], order: .relaxed(.gpu))
                    k.store(k.constant(1), to: m[1], order: MemoryOrder(write, .gpu))
                    return []
                },
                { k, m in
                    let flag = k.load(m[1], order: MemoryOrder(read, .gpu))
                    k.store(k.constant(1), to: m[0], order: .relaxed(.gpu))
                    return [flag]
                }
            ).outcomes(final: [0])
        }
        #expect(try outcomes(.release, .acquire) == ["0 | 1", "0 | 2", "1 | 1"])
        #expect(try outcomes(.relaxed, .acquire) == ["0 | 1", "0 | 2", "1 | 1", "1 | 2"])
        #expect(try outcomes(.release, .relaxed) == ["0 | 1", "0 | 2", "1 | 1", "1 | 2"])
    }

    /// Nothing comes out of thin air: a store that depends on a load waits for it.
    @Test func dependentLoadBuffering() throws {
        func thread(_ own: Int, _ other: Int) -> Litmus.Thread {
            { k, m in
                let seen = k.load(m[own], order: .relaxed(.gpu))
                k.store(seen, to: m[other], order: .relaxed(.gpu))
                return [seen]
            }
        }
        #expect(try Litmus(.blocks, thread(0, 1), thread(1, 0)).outcomes() == ["0 0"])
    }

    /// Independent reads of independent writes: the readers may disagree about the order, even with acquire loads.
    @Test(arguments: [MemoryOrder.Strength.relaxed, .acquire])
    func independentReads(_ read: MemoryOrder.Strength) throws {
        func writer(_ word: Int) -> Litmus.Thread {
            { k, m in
                k.store(k.constant(1), to: m[word], order: .release(.gpu))
                return []
            }
        }
        func reader(_ first: Int, _ second: Int) -> Litmus.Thread {
            { k, m in
                let one = k.load(m[first], order: MemoryOrder(read, .gpu))
                return [one, k.load(m[second], order: MemoryOrder(read, .gpu))]
            }
        }
        var all: Set<String> = []
        for bits in 0..<16 { all.insert((0..<4).map { "\(bits >> $0 & 1)" }.joined(separator: " ")) }
        #expect(try Litmus(.blocks, writer(0), writer(1), reader(0, 1), reader(1, 0)).outcomes() == all)
    }

    /// Coherence: a thread never sees a word go back.
    @Test(arguments: Litmus.Placement.allCases)
    func coherenceOfReads(_ place: Litmus.Placement) throws {
        let outcomes = try Litmus(
            place,
            { k, m in
                k.store(k.constant(1), to: m[0], order: .relaxed(place.scope))
                k.store(k.constant(2), to: m[0], order: .relaxed(place.scope))
                return []
            },
            { k, m in
                let first = k.load(m[0], order: .relaxed(place.scope))
                return [first, k.load(m[0], order: .relaxed(place.scope))]
            }
        ).outcomes()
        #expect(outcomes == ["0 0", "0 1", "0 2", "1 1", "1 2", "2 2"])
    }

    /// Coherence: a thread sees its own stores, and what it has read does not come from its own future.
    @Test func coherenceOfOwnStores() throws {
        let outcomes = try Litmus(
            .blocks,
            { k, m in
                let before = k.load(m[0], order: .relaxed(.gpu))
                k.store(k.constant(1), to: m[0], order: .relaxed(.gpu))
                return [before, k.load(m[0], order: .relaxed(.gpu))]
            },
            { k, m in
                k.store(k.constant(2), to: m[0], order: .relaxed(.gpu))
                return []
            }
        ).outcomes()
        #expect(outcomes == ["0 1", "0 2", "2 1"])
    }

    /// Read-modify-writes are indivisible, and hand on what the one before released.
    @Test func atomicsHandOn() throws {
        let add: Litmus.Thread = { k, m in [k.atomic(.add, m[0], k.constant(1), order: .relaxed(.gpu))] }
        #expect(try Litmus(.blocks, add, add, add).outcomes().count == 6)
        let outcomes = try Litmus(
            .blocks,
            { k, m in
                k.store(k.constant(5), to: m[1])
                k.atomicAdd(m[0], 1, order: .release(.gpu))
                return []
            },
            { k, m in
                k.atomicAdd(m[0], 1, order: .relaxed(.gpu))
                return []
            },
            { k, m in
                let seen = k.variable(k.constant(UInt32(7)))
                k.if(k.load(m[0], order: .acquire(.gpu)) == 2) { seen.value = k.load(m[1]) }
                return [seen.value]
            }
        ).outcomes()
        #expect(outcomes == ["5", "7"])
    }

    /// What a thread has acquired, its releases pass on.
    @Test func causalityIsTransitive() throws {
        let outcomes = try Litmus(
            .ranks,
            { k, m in
                k.store(k.constant(5), to: m[2])
                k.store(k.constant(1), to: m[0], order: .release(.system))
                return []
            },
            { k, m in
                k.if(k.load(m[0], order: .acquire(.system)) == 1) {
                    k.store(k.constant(1), to: m[1], order: .release(.system))
                }
                return []
            },
            { k, m in
                let seen = k.variable(k.constant(UInt32(7)))
                k.if(k.load(m[1], order: .acquire(.system)) == 1) { seen.value = k.load(m[2]) }
                return [seen.value]
            }
        ).outcomes()
        #expect(outcomes == ["5", "7"])
    }

    /// Random schedules come to the same outcomes.
    @Test(arguments: [Exploration.Policy.random, .pct(depth: 3)])
    func randomSchedulesFindTheWeakOutcome(_ policy: Exploration.Policy) throws {
        let litmus = Litmus(
            .blocks,
            { k, m in
                k.store(k.constant(1), to: m[0], order: .relaxed(.gpu))
                k.store(k.constant(1), to: m[1], order: .relaxed(.gpu))
                return []
            },
            { k, m in
                let flag = k.load(m[1], order: .relaxed(.gpu))
                return [flag, k.load(m[0], order: .relaxed(.gpu))]
            })
        #expect(try litmus.outcomes(policy, schedules: 300) == Self.any2)
    }

    /// Two accesses synchronise only if they are of one size.
    @Test func accessesOfDifferentSizesRace() throws {
        let outcomes = try Litmus(
            .blocks,
            { k, m in
                k.store(k.constant(UInt64(1)), to: m[0].cast(to: UInt64.self), order: .relaxed(.gpu))
                return []
            },
            { k, m in [k.load(m[0], order: .relaxed(.gpu))] }
        ).outcomes()
        #expect(outcomes == ["race"])
    }
}
