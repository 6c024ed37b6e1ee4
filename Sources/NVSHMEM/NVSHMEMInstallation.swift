#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// An installation of NVSHMEM on this machine: a library for the host, and headers and a library for code on the GPU,
/// which are all of one version.
package struct NVSHMEMInstallation: Hashable, Sendable {
    /// The directory of `include` and `lib`.
    package let home: String
    /// `libnvshmem_host.so.3`
    package let library: String
    /// The directory of `nvshmem.h`.
    package let headers: String
    /// `libnvshmem_device.a`
    package let deviceLibrary: String
    /// The version that the headers state.
    package let version: NVSHMEMVersion

    /// The variable of the environment that names an installation's directory.
    package static let variable = "SWIFTEP_NVSHMEM_HOME"

    /// Finds an installation: where `SWIFTEP_NVSHMEM_HOME` says, or else where `NVSHMEM_HOME` does, in Python's
    /// packages, in `/usr/local/nvshmem`, or beside directories of `LD_LIBRARY_PATH`.
    ///
    /// - Throws: `NVSHMEMError.notFound`, `.incomplete`.
    package static func find(_ paths: SearchPaths = SearchPaths()) throws(NVSHMEMError) -> NVSHMEMInstallation {
        let homes = paths.homes(
            variable: variable, others: ["NVSHMEM_HOME"], package: "nvidia/nvshmem", usual: ["/usr/local/nvshmem"])
        for home in homes {
            guard let library = ["lib", "lib64"].map({ "\(home)/\($0)/libnvshmem_host.so.3" }).first(where: exists)
            else { continue }
            return try NVSHMEMInstallation(home: home, library: library)
        }
        throw .notFound(searched: homes)
    }

    private init(home: String, library: String) throws(NVSHMEMError) {
        let libraries = library.split(separator: "/").dropLast().joined(separator: "/")
        (self.home, self.library) = (home, library)
        headers = "\(home)/include"
        deviceLibrary = (library.hasPrefix("/") ? "/" : "") + "\(libraries)/libnvshmem_device.a"
        let header = "\(headers)/non_abi/nvshmem_version.h"
        for part in ["\(headers)/nvshmem.h", header, deviceLibrary] where !exists(part) {
            throw .incomplete(home: home, missing: part)
        }
        guard let text = try? String(contentsOfFile: header, encoding: .utf8),
            let version = NVSHMEMVersion(header: text)
        else { throw .incomplete(home: home, missing: "version in \(header)") }
        self.version = version
    }
}

/// A version of NVSHMEM.
package struct NVSHMEMVersion: Hashable, Sendable, CustomStringConvertible {
    /// The first, second and third number.
    package let major, minor, patch: Int

    package init(major: Int, minor: Int, patch: Int) { (self.major, self.minor, self.patch) = (major, minor, patch) }

    /// The version in `nvshmem_version.h`; nil if it says none.
    package init?(header: String) {
        func number(_ name: String) -> Int? {
            let line = header.split(separator: "\n").first { $0.contains("define NVSHMEM_VENDOR_\(name)_VERSION ") }
            return line?.split(separator: " ").last.flatMap { Int($0) }
        }
        guard let major = number("MAJOR"), let minor = number("MINOR"), let patch = number("PATCH") else { return nil }
        self.init(major: major, minor: minor, patch: patch)
    }

    /// Such as `3.4.5`.
    package var description: String { "\(major).\(minor).\(patch)" }
}
