import KernelLanguage

/// A test as kernels of our language: a kernel for each GPU, a block for each block, a warp for each thread, of which
/// one lane works.
struct LitmusKernels {
    /// One GPU's part.
    struct Part {
        let kernel: Kernel
        /// Blocks of the grid.
        let grid: Int
    }

    /// By GPU, in the order of their numbers.
    let parts: [Part]

    /// - Parameter strengthened: Weak accesses become relaxed ones of system scope, so that none of them race.
    /// - Throws: `LitmusObstacle` if the language has no such instructions.
    init(_ test: LitmusTest, strengthened: Bool) throws {
        let barriers = try BarrierNumbers(test)
        parts = try Set(test.threads.map(\.gpu)).sorted().map { gpu in
            let blocks = Set(test.threads.filter { $0.gpu == gpu }.map(\.block)).sorted()
            let members = blocks.map { block in
                test.threads.indices.filter { test.threads[$0].gpu == gpu && test.threads[$0].block == block }
            }
            // A barrier may wait for more threads than there are.
            let warps = max(members.map(\.count).max() ?? 1, barriers.largestQuorum)
            guard warps <= 32 else { throw LitmusObstacle(description: "more than 32 threads in a block") }
            var obstacle: LitmusObstacle?
            let kernel = try KernelBuilder.build("litmus", threads: 32 * warps) { k in
                let memory = test.locations.map { k.pointerParameter("location_\($0.name)", to: UInt32.self) }
                let results = k.pointerParameter("results", to: UInt32.self)
                for (block, threads) in members.enumerated() {
                    for (warp, thread) in threads.enumerated() {
                        k.if(k.blockIndex == block && k.warpIndex == warp && k.isFirstLane) {
                            var emitter = ThreadEmitter(
                                k, test, thread, memory, barriers: barriers, strengthened: strengthened)
                            do throws(LitmusObstacle) {
                                try emitter.emit()
                            } catch {
                                obstacle = obstacle ?? error
                            }
                            for (position, term) in test.terms.enumerated() {
                                if case .register(thread, let register) = term {
                                    k.store(emitter.register(register), to: results + position)
                                }
                            }
                        }
                    }
                }
            }
            if let obstacle { throw obstacle }
            return Part(kernel: kernel, grid: blocks.count)
        }
    }
}

/// Which of a block's sixteen barriers is which of the test's, and how many threads meet there.
struct BarrierNumbers {
    private struct Key: Hashable {
        let instance: Int
        let name: Int?
    }

    private var numbers: [Key: Int] = [:]
    private(set) var largestQuorum = 1
    private let test: LitmusTest

    init(_ test: LitmusTest) throws(LitmusObstacle) {
        self.test = test
        for thread in test.threads {
            for step in thread.instructions {
                guard case .barrier(let barrier) = step.instruction else { continue }
                let key = try Self.key(barrier, thread)
                if numbers[key] == nil { numbers[key] = numbers.count }
                if let quorum = barrier.quorum {
                    largestQuorum = max(largestQuorum, try Self.constant(quorum, thread))
                }
            }
        }
        guard numbers.count <= 16 else { throw LitmusObstacle(description: "more than 16 barriers") }
    }

    /// Number and threads of a barrier; the threads are all of the block that have one like it, or its quorum.
    func find(_ barrier: LitmusBarrier, in thread: LitmusThread) throws(LitmusObstacle) -> (number: Int, threads: Int) {
        let key = try Self.key(barrier, thread)
        var count = 0
        for other in test.threads where other.sharesBlock(with: thread) {
            for step in other.instructions {
                guard case .barrier(let theirs) = step.instruction, try Self.key(theirs, other) == key else { continue }
                count += 1
                break
            }
        }
        if let quorum = barrier.quorum { count = try Self.constant(quorum, thread) }
        guard count > 0 else { throw LitmusObstacle(description: "a barrier for no threads") }
        return (numbers[key] ?? 0, 32 * count)
    }

    private static func key(_ barrier: LitmusBarrier, _ thread: LitmusThread) throws(LitmusObstacle) -> Key {
        guard let name = barrier.name else { return Key(instance: barrier.instance, name: nil) }
        return Key(instance: barrier.instance, name: try constant(name, thread))
    }

    /// The value of a number that the program does not compute.
    private static func constant(_ value: LitmusValue, _ thread: LitmusThread) throws(LitmusObstacle) -> Int {
        switch value {
        case .constant(let value): return value
        case .register(let register):
            guard !thread.instructions.contains(where: { $0.instruction.result == register }) else {
                throw LitmusObstacle(description: "a barrier whose number is computed")
            }
            return thread.registers[register] ?? 0
        }
    }
}
