/// The sixteen named barriers of a block.
struct NamedBarriers {
    struct Barrier {
        var arrivedThreads = 0
        /// Threads that take part; nil for all threads of the block that have not ended.
        var threads: Int?
        var waiting: [Warp] = []
    }

    private(set) var barriers = [Barrier](repeating: Barrier(), count: 16)

    /// One warp arrives.
    ///
    /// - Returns: The warps to release if that completes the barrier, otherwise nil.
    /// - Throws: What is wrong, if the barrier is in use with another number of threads.
    mutating func arrive(_ id: Int, threads: Int?, waiting warp: Warp?, liveWarps: Int) throws(InvalidUse) -> [Warp]? {
        if barriers[id].arrivedThreads > 0, barriers[id].threads != threads {
            func text(_ threads: Int?) -> String { threads.map { "\($0) threads" } ?? "all threads" }
            throw InvalidUse(
                "barrier \(id) is used with \(text(threads)) while others wait at it with \(text(barriers[id].threads))"
            )
        }
        barriers[id].threads = threads
        barriers[id].arrivedThreads += 32
        if let warp { barriers[id].waiting.append(warp) }
        return completed(id, liveWarps: liveWarps)
    }

    /// The warps to release if barrier `id` is complete, otherwise nil.
    mutating func completed(_ id: Int, liveWarps: Int) -> [Warp]? {
        let barrier = barriers[id]
        guard barrier.arrivedThreads > 0, barrier.arrivedThreads >= barrier.threads ?? liveWarps * 32 else {
            return nil
        }
        barriers[id] = Barrier()
        return barrier.waiting
    }
}

/// A use that the hardware does not define either.
struct InvalidUse: Error {
    let problem: String
    init(_ problem: String) { self.problem = problem }
}
