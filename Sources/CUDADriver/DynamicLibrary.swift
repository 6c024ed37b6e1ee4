#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A shared library opened at run time. It stays open until the process ends, because the driver's threads never stop
/// using it.
package struct DynamicLibrary: @unchecked Sendable {
    // Sendable: the handle is never closed, and dlsym may be called from any thread.
    private let handle: UnsafeMutableRawPointer
    /// The name under which the library was opened.
    package let path: String

    /// Opens the first of `candidates` that the dynamic loader finds.
    ///
    /// Throws `DriverError.libraryMissing` with the loader's explanation for each candidate.
    package init(candidates: [String]) throws {
        var attempts: [LibraryAttempt] = []
        for candidate in candidates {
            if let handle = dlopen(candidate, RTLD_NOW | RTLD_LOCAL) {
                self.handle = handle
                self.path = candidate
                return
            }
            attempts.append(LibraryAttempt(path: candidate, reason: Self.lastReason()))
        }
        throw DriverError.libraryMissing(attempts: attempts)
    }

    /// Looks up a function. `Function` is a `@convention(c)` function type and must match the C declaration.
    ///
    /// Throws `DriverError.symbolMissing`.
    package func function<Function>(_ name: String) throws -> Function {
        guard let symbol = dlsym(handle, name) else {
            throw DriverError.symbolMissing(name: name, library: path, reason: Self.lastReason())
        }
        return unsafeBitCast(symbol, to: Function.self)
    }

    private static func lastReason() -> String {
        guard let text = dlerror() else { return "the dynamic loader gave no reason" }
        return String(cString: text)
    }
}
