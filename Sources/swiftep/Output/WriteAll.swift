#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Writes all bytes to a descriptor.
///
/// A closed pipe is an error like others here: `SIGPIPE` is held back.
///
/// - Returns: The system's error number, nil without an error.
func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Int32? {
    holdingBackBrokenPipes {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { systemWrite(descriptor, $0) }
            if written > 0 {
                rest = rest.dropFirst(written)
            } else if written == 0 {
                return ENOSPC
            } else if errno == EAGAIN {
                // The descriptor may have been made non-blocking.
                var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&wait, 1, -1)
            } else if errno != EINTR {
                return errno
            }
        }
        return nil
    }
}

/// Runs `write` without the signal of a broken pipe, which is taken back if it comes from there.
private func holdingBackBrokenPipes(_ write: () -> Int32?) -> Int32? {
    var (brokenPipe, before, pending) = (sigset_t(), sigset_t(), sigset_t())
    sigemptyset(&brokenPipe)
    sigaddset(&brokenPipe, SIGPIPE)
    pthread_sigmask(SIG_BLOCK, &brokenPipe, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    let code = write()
    if code == EPIPE {
        sigpending(&pending)
        var number: Int32 = 0
        if sigismember(&pending, SIGPIPE) == 1 { sigwait(&brokenPipe, &number) }
    }
    return code
}

private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
    #if canImport(Glibc)
        Glibc.write(descriptor, bytes.baseAddress, bytes.count)
    #elseif canImport(Musl)
        Musl.write(descriptor, bytes.baseAddress, bytes.count)
    #else
        Darwin.write(descriptor, bytes.baseAddress, bytes.count)
    #endif
}
