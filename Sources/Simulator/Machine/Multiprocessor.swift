/// The resources that the blocks resident on a multiprocessor take.
struct Multiprocessor {
    /// Shared memory that each block takes for the system.
    static let reservedSharedBytes = 1024

    var blocks = 0
    var threads = 0
    var sharedBytes = 0

    func hasRoom(for run: KernelRun, _ configuration: SimulatorConfiguration) -> Bool {
        blocks < configuration.blocksPerMultiprocessor
            && threads + run.kernel.threads <= configuration.threadsPerMultiprocessor
            && sharedBytes + run.kernel.sharedBytes + Self.reservedSharedBytes
                <= configuration.sharedBytesPerMultiprocessor
    }

    mutating func add(_ run: KernelRun) {
        blocks += 1
        threads += run.kernel.threads
        sharedBytes += run.kernel.sharedBytes + Self.reservedSharedBytes
    }

    mutating func remove(_ run: KernelRun) {
        blocks -= 1
        threads -= run.kernel.threads
        sharedBytes -= run.kernel.sharedBytes + Self.reservedSharedBytes
    }
}
