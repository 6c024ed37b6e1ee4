#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A number of the calling thread that no other living thread has.
func currentThread() -> UInt {
    // A number, an optional or a plain pointer, depending on the system; one word in each case.
    withUnsafeBytes(of: pthread_self()) { $0.loadUnaligned(as: UInt.self) }
}
