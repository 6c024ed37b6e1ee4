#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A name of the machine that no other has, until it is started again; `SWIFTEP_HOST_ID` if that is set.
func hostIdentity(_ environment: [String: String]) -> String {
    if let own = environment["SWIFTEP_HOST_ID"] { return own }
    // Containers of a machine have host names of their own, and share this.
    if let boot = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8) {
        return boot.filter { !$0.isWhitespace }
    }
    return ProcessInfo.processInfo.hostName
}
