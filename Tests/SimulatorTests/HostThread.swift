import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A thread of its own for work that must go on at the same time as other work, whatever the test runner has.
final class HostThread {
    private final class Work: Sendable {
        let body: @Sendable () throws -> Void
        let error = Mutex<(any Error)?>(nil)

        init(_ body: @escaping @Sendable () throws -> Void) { self.body = body }

        func run() {
            do { try body() } catch { self.error.withLock { $0 = error } }
        }
    }

    private let work: Work
    private var thread = pthread_t()

    init(_ body: @escaping @Sendable () throws -> Void) {
        let work = Work(body)
        self.work = work
        pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, Unmanaged.passRetained(work).toOpaque())
    }

    /// Waits for its end, and throws what it threw.
    func join() throws {
        pthread_join(thread, nil)
        if let error = work.error.withLock({ $0 }) { throw error }
    }
}

/// Nanoseconds that the calling thread has run on a CPU.
func threadNanoseconds() -> UInt64 { nanoseconds(CLOCK_THREAD_CPUTIME_ID) }

/// Nanoseconds of the clock that all processes of the host share.
func hostNanoseconds() -> UInt64 { nanoseconds(CLOCK_MONOTONIC) }

private func nanoseconds(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
