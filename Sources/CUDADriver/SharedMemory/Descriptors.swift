#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Closes a descriptor that is no longer needed.
func closeDescriptor(_ descriptor: Int32) { close(descriptor) }
