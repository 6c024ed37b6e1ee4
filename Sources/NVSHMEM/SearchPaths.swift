#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The directories in which NVIDIA's libraries are looked for.
package struct SearchPaths: Sendable {
    private let environment: [String: String]

    /// The directories that these variables of the environment name.
    package init(environment: [String: String] = ProcessInfo.processInfo.environment) { self.environment = environment }

    /// Directories that may be an installation's, which has `include` and `lib`.
    ///
    /// - Parameters:
    ///   - variable: The variable that names the only one, if it is set.
    ///   - others: Variables that name one.
    ///   - package: The directory of one within Python's packages.
    ///   - usual: Directories that installers use.
    package func homes(variable: String, others: [String], package: String, usual: [String]) -> [String] {
        // One that was asked for is not silently replaced by another.
        if let home = environment[variable], !home.isEmpty { return [home] }
        let named = others.compactMap { environment[$0] }.filter { !$0.isEmpty }
        return unique(named + sitePackages.map { "\($0)/\(package)" } + usual + libraryParents)
    }

    /// Python's directories of packages: of the interpreter that runs this process and says so, of the virtual
    /// environment, of interpreters in `PATH`, and the usual ones.
    package var sitePackages: [String] {
        let interpreters = list("PATH").filter { FileManager.default.isExecutableFile(atPath: "\($0)/python3") }
        let prefixes =
            ["VIRTUAL_ENV", "CONDA_PREFIX"].compactMap { environment[$0] } + interpreters.map { parent(of: $0) }
            + (environment["HOME"].map { ["\($0)/.local"] } ?? []) + ["/usr/local", "/usr"]
        let found = unique(prefixes).flatMap { prefix in
            versions(in: "\(prefix)/lib").flatMap { ["\($0)/site-packages", "\($0)/dist-packages"] }
        }
        return unique(list("SWIFTEP_SITE_PACKAGES") + list("PYTHONPATH") + found + ["/usr/lib/python3/dist-packages"])
            .filter(exists)
    }

    /// Parents of the directories in `LD_LIBRARY_PATH`.
    private var libraryParents: [String] { list("LD_LIBRARY_PATH").map(parent) }

    private func list(_ variable: String) -> [String] {
        (environment[variable] ?? "").split(separator: ":").map(String.init)
    }

    /// Directories of Python versions in a directory of libraries, the newest first.
    private func versions(in directory: String) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        func minor(_ name: String) -> Int { Int(name.dropFirst("python3.".count)) ?? -1 }
        return names.filter { $0.hasPrefix("python3.") }.sorted { minor($0) > minor($1) }.map { "\(directory)/\($0)" }
    }

    private func parent(of path: String) -> String {
        path.split(separator: "/").dropLast().map { "/\($0)" }.joined()
    }

    private func unique(_ paths: [String]) -> [String] {
        var known: Set<String> = []
        return paths.filter { known.insert($0).inserted }
    }
}

/// Whether there is a file or directory.
func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
