import TemporaryFiles

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The directory of a new checkpoint, and the temporary directory beside it that it is written to.
struct CheckpointPlace {
    /// The directory to write to.
    let temporary: String
    private let directory: String
    private let replaces: Bool

    /// Checks the place and creates the temporary directory.
    ///
    /// Throws `checkpointExists`, `notACheckpoint` or `writeFailed`.
    init(directory: String, overwrites: Bool) throws(CheckpointError) {
        var directory = directory
        while directory.count > 1, directory.hasSuffix("/") {
            directory.removeLast()
        }
        guard !directory.isEmpty, directory != "/", !directory.contains("\0") else {
            throw .writeFailed(path: directory, reason: "it does not name a directory that could be created")
        }
        directory = try Self.followed(directory)
        var isDirectory = false
        if FileManager.default.fileExists(atPath: directory, isDirectory: &isDirectory) {
            guard isDirectory else {
                throw .notACheckpoint(path: directory, entry: "a file of that name")
            }
            let entries = try Self.entries(of: directory)
            if let foreign = entries.sorted().first(where: { !Self.isOurs($0) }) {
                throw .notACheckpoint(path: directory, entry: foreign)
            }
            guard entries.isEmpty || overwrites else {
                throw .checkpointExists(path: directory)
            }
            if let use = Self.use(of: directory) {
                throw .writeFailed(
                    path: directory, reason: "it is \(use), which cannot be replaced; name a directory in it")
            }
            replaces = !entries.isEmpty
        } else {
            replaces = false
        }
        self.directory = directory
        temporary = directory + ".partial-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        do throws(FileError) {
            try TemporaryFiles.makeDirectory(at: temporary)
        } catch {
            throw .writeFailed(path: temporary, reason: error.reason)
        }
    }

    /// Puts the temporary directory in its place.
    func commit() throws(CheckpointError) {
        try TemporaryFiles.finish(temporary) { () throws(CheckpointError) in try exchange() }
    }

    private func exchange() throws(CheckpointError) {
        let old = temporary + "-old"
        if replaces {
            try Self.rename(directory, to: old)
        }
        // rename(2) replaces an empty directory.
        do throws(CheckpointError) {
            try Self.rename(temporary, to: directory)
        } catch {
            if replaces { try? Self.rename(old, to: directory) }
            throw error
        }
        if replaces {
            Self.remove(old)
        }
    }

    /// Removes the temporary directory.
    func discard() {
        TemporaryFiles.remove(temporary)
    }

    /// A file number with leading zeros to five digits.
    static func padded(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }

    /// Whether a writer makes files of this name.
    private static func isOurs(_ name: String) -> Bool {
        name == CheckpointDirectory.FileName.configuration || name == CheckpointDirectory.FileName.index
            || (name.hasPrefix("model-") && name.hasSuffix(".safetensors"))
    }

    private static func entries(of directory: String) throws(CheckpointError) -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: directory)
        } catch {
            throw .writeFailed(path: directory, reason: "\(error)")
        }
    }

    /// Removes only what a writer makes, and the directory if nothing else is in it.
    private static func remove(_ directory: String) {
        for name in (try? entries(of: directory)) ?? [] where isOurs(name) {
            unlink(directory + "/" + name)
        }
        rmdir(directory)
    }

    /// The path without symbolic links, `.` and `..`, as rename(2) replaces none of them by a directory.
    private static func followed(_ path: String) throws(CheckpointError) -> String {
        var status = stat()
        guard lstat(path, &status) == 0 else { return path }
        guard let real = realpath(path, nil) else {
            throw .writeFailed(path: path, reason: "it is a symbolic link that leads nowhere; remove it")
        }
        defer { free(real) }
        return String(cString: real)
    }

    /// Why a directory cannot be replaced by another: it is a mount point or the working directory; nil for all others.
    private static func use(of directory: String) -> String? {
        var (own, above, current) = (stat(), stat(), stat())
        guard stat(directory, &own) == 0, stat(directory + "/..", &above) == 0 else { return nil }
        if own.st_dev != above.st_dev || own.st_ino == above.st_ino { return "a mount point" }
        if stat(".", &current) == 0, own.st_dev == current.st_dev, own.st_ino == current.st_ino {
            return "the working directory"
        }
        return nil
    }

    private static func rename(_ from: String, to: String) throws(CheckpointError) {
        #if canImport(Glibc)
            let result = Glibc.rename(from, to)
        #elseif canImport(Musl)
            let result = Musl.rename(from, to)
        #else
            let result = Darwin.rename(from, to)
        #endif
        guard result == 0 else {
            throw .writeFailed(path: to, reason: systemErrorText(errno))
        }
    }
}
