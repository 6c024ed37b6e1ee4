import Dispatch
import Synchronization
import TemporaryFiles

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The end of the pipe to which the handler writes the numbers of signals.
private let entrance = Atomic<Int32>(-1)

/// Work to do before a signal ends the process.
private let preparation = Mutex<(@Sendable () -> Void)?>(nil)

/// Handling of signals that end the process: unfinished files are removed, and the process dies by that signal.
enum Interruption {
    private static let signals = [
        SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGALRM, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU,
    ]
    private static let ignoresBrokenPipes = Atomic<Bool>(false)

    /// Handles signals from now on, except those that the process was started to ignore, as by `nohup`.
    static func handle() {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        entrance.store(ends[1], ordering: .sequentiallyConsistent)
        let exit = ends[0]
        // A queue of its own: those that are shared may have no thread free.
        DispatchQueue(label: "signals").async {
            var number: UInt8 = 0
            while read(exit, &number, 1) != 1 {}
            end(by: Int32(number))
        }
        for number in signals { install(number) }
        // A file that becomes too large is an error of the write.
        if !isIgnored(SIGXFSZ) { signal(SIGXFSZ) { _ in } }
    }

    /// Has `body` run, on another thread, before a signal ends the process.
    static func beforeEnd(_ body: (@Sendable () -> Void)?) { preparation.withLock { $0 = body } }

    /// Removes unfinished files, and dies by a signal.
    static func end(by number: Int32) -> Never {
        TemporaryFiles.removeAll(after: { preparation.withLock { $0 }?() }) {
            signal(number, SIG_DFL)
            var set = sigset_t()
            sigemptyset(&set)
            sigaddset(&set, number)
            pthread_sigmask(SIG_UNBLOCK, &set, nil)
            raise(number)
            // The first process of a container does not die by signals.
            _exit(128 + number)
        }
    }

    /// Dies by `SIGPIPE`, as a process that writes to a closed pipe, unless it was started to ignore that.
    static func endByBrokenPipe() {
        if !ignoresBrokenPipes.load(ordering: .relaxed) { end(by: SIGPIPE) }
    }

    private static func install(_ number: Int32) {
        if isIgnored(number) {
            if number == SIGPIPE { ignoresBrokenPipes.store(true, ordering: .relaxed) }
            return
        }
        // A handler, unlike a mask, is not inherited by programs that are started. It may do little more than write, as
        // POSIX allows.
        signal(number) { number in
            let before = errno
            var byte = UInt8(truncatingIfNeeded: number)
            _ = write(entrance.load(ordering: .relaxed), &byte, 1)
            errno = before
        }
    }

    /// Whether a signal is ignored; leaves it ignored if so, and with its default action otherwise.
    private static func isIgnored(_ number: Int32) -> Bool {
        let before = unsafeBitCast(signal(number, SIG_IGN), to: Int.self)
        if before == unsafeBitCast(SIG_IGN, to: Int.self) { return true }
        signal(number, SIG_DFL)
        return false
    }
}
