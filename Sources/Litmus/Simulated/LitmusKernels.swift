import KernelLanguage

/// A test as kernels: a kernel for each GPU, a block for each block, a warp for each thread, of which one lane works.
struct LitmusKernels {
    /// One GPU's part.
    struct Part {
        let kernel: Kernel
        /// Blocks of the grid.
        let grid: Int
    }

    /// By GPU, in the order of their numbers.
    let parts: [Part]

    /// - Parameter barriers: Who meets where.
    /// - Throws: `LitmusObstacle` if the language has no such instructions.
    init(_ test: LitmusTest, _ barriers: BarrierPlan) throws {
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
                            var emitter = ThreadEmitter(k, test, thread, memory, barriers: barriers)
                            do throws(LitmusObstacle) {
                                try emitter.emit()
                            } catch {
                                obstacle = obstacle ?? error
                            }
                            for (index, value) in emitter.names {
                                k.storeVector(
                                    [value, k.constant(UInt32(0))],
                                    to: results + 2 * test.position(ofName: thread, index))
                            }
                            // A value keeps its register to the end, so that none waits for another's.
                            for value in emitter.found {
                                k.storeVector(
                                    [value, k.constant(UInt32(0))], to: results + 2 * test.position(ofValues: thread))
                            }
                            for (position, term) in test.terms.enumerated() {
                                if case .register(thread, let register) = term {
                                    // Of two words, which the simulator does not follow as it does words of the test.
                                    k.storeVector(
                                        [emitter.register(register), k.constant(UInt32(0))],
                                        to: results + 2 * position)
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

/// Where kernels leave what they have found, each in the first of two words: the terms, a place for each thread's
/// values, and the names of barriers.
extension LitmusTest {
    func position(ofValues thread: Int) -> Int { terms.count + thread }

    func position(ofName thread: Int, _ index: Int) -> Int {
        terms.count + threads.count + threads[..<thread].reduce(0) { $0 + $1.instructions.count } + index
    }

    var positions: Int { position(ofName: threads.count, 0) }
}
