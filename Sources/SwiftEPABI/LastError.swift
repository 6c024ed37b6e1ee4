// Names and documentation are those of swiftep.h.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation

import CSwiftEP

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The text of each thread's last error.
enum LastError {
    /// The key of a thread's text, which is freed with the thread.
    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key) { free($0) }
        return key
    }()

    static func set(_ text: String) {
        free(pthread_getspecific(key))
        pthread_setspecific(key, strdup(text))
    }

    static var text: UnsafePointer<CChar>? {
        pthread_getspecific(key).map { UnsafePointer($0.assumingMemoryBound(to: CChar.self)) }
    }

    /// The text where no call has failed.
    nonisolated(unsafe) static let none: UnsafePointer<CChar> = UnsafePointer(strdup("")!)
}

@c @implementation
public func swiftep_abi_version() -> UInt32 { UInt32(SWIFTEP_ABI_VERSION) }

@c @implementation
public func swiftep_last_error() -> UnsafePointer<CChar>! { LastError.text ?? LastError.none }
