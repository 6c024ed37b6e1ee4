#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The descriptors 0, 1 and 2.
enum StandardStreams {
    /// Opens those that are closed, so that no file gets their numbers and with them printed text. Using one still
    /// fails.
    static func open() {
        for descriptor: Int32 in 0...2 where fcntl(descriptor, F_GETFD) < 0 {
            // The lowest number that is free.
            _ = descriptor == 0 ? openNull(O_WRONLY) : openNull(O_RDONLY)
        }
    }

    private static func openNull(_ mode: Int32) -> Int32 {
        #if canImport(Glibc)
            Glibc.open("/dev/null", mode)
        #elseif canImport(Musl)
            Musl.open("/dev/null", mode)
        #else
            Darwin.open("/dev/null", mode)
        #endif
    }
}
