import Synchronization

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

/// Files and directories that this process has made and is not done with, so that none is left behind when it has to
/// end.
///
/// Making one and noting it is a single act under a lock, as is putting it in its place: whoever has to end the process
/// finds all of them, and none half done. A process that does not call `removeAll` is none the wiser.
package enum TemporaryFiles {
    private struct Item {
        let path: String
        /// Directories above it that were made for it, the topmost first.
        var above: [String] = []
    }

    private static let items = Mutex<[Item]>([])

    /// Makes and notes the directory `path`, which must not exist, and those above it that are missing.
    package static func makeDirectory(at path: String) throws(FileError) {
        try items.withLock { items throws(FileError) in
            var item = Item(path: path)
            do throws(FileError) {
                for above in directories(above: path) where access(above, F_OK) != 0 {
                    try make(above)
                    item.above.append(above)
                }
                try make(path)
            } catch {
                removeEmpty(item.above)
                throw error
            }
            items.append(item)
        }
    }

    /// Makes and notes a directory with a name of its own in `TMPDIR` or `/tmp`.
    ///
    /// - Returns: Its path.
    package static func makeDirectory() throws(FileError) -> String {
        let named = getenv("TMPDIR").map { String(cString: $0) } ?? ""
        let parent = named.isEmpty ? "/tmp" : named
        return try items.withLock { items throws(FileError) in
            var template = Array("\(parent)/swiftep-XXXXXX".utf8CString)
            guard let made = mkdtemp(&template) else {
                throw FileError(action: "make a directory in \(parent)", code: errno)
            }
            let path = String(cString: made)
            items.append(Item(path: path))
            return path
        }
    }

    /// Runs `make`, and notes the path of what it has made, if it gives one.
    package static func noting<Result>(_ make: () -> (result: Result, path: String?)) -> Result {
        items.withLock { items in
            let made = make()
            if let path = made.path { items.append(Item(path: path)) }
            return made.result
        }
    }

    /// Runs `body`, which puts what was made at `path` in its place, without an interruption. Unless it throws, the
    /// path is then no longer noted.
    package static func finish<Failure>(_ path: String, _ body: () throws(Failure) -> Void) throws(Failure) {
        try items.withLock { items throws(Failure) in
            try body()
            items.removeAll { $0.path == path }
        }
    }

    /// Removes what was made at `path`, with all that is in it, and directories that were made for it and are empty.
    package static func remove(_ path: String) {
        items.withLock { items in
            guard let index = items.firstIndex(where: { $0.path == path }) else { return }
            remove(items.remove(at: index))
        }
    }

    /// Waits while the process is being ended: does not return then.
    package static func waitForRemoval() { items.withLock { _ in } }

    /// Removes all that is noted and ends the process. From now on nothing can be noted or finished any more.
    ///
    /// - Parameter prepare: What is done first, such as ending others that use what is removed.
    package static func removeAll(after prepare: () -> Void = {}, thenEnd end: () -> Never) -> Never {
        items.withLock { items in
            prepare()
            for item in items.reversed() { remove(item) }
            end()
        }
    }

    // MARK: Items

    private static func remove(_ item: Item) {
        // Other threads may still be making files in it, which they can no longer do once it is gone.
        for _ in 0..<1_000 {
            try? FileManager.default.removeItem(atPath: item.path)
            var status = stat()
            if lstat(item.path, &status) != 0 { break }
        }
        removeEmpty(item.above)
    }

    private static func removeEmpty(_ directories: [String]) {
        for directory in directories.reversed() { rmdir(directory) }
    }

    private static func make(_ directory: String) throws(FileError) {
        guard mkdir(directory, 0o777) == 0 else { throw FileError(action: "make \(directory)", code: errno) }
    }

    /// The paths above `path`, the topmost first.
    private static func directories(above path: String) -> [String] {
        path.indices.filter { path[$0] == "/" && $0 != path.startIndex }.map { String(path[..<$0]) }
    }
}

/// The system refused to make or write a file.
package struct FileError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was to be done, with the path.
    package let action: String
    /// The system's error number.
    package let code: Int32

    /// The system's text for the number.
    package var reason: String { String(cString: strerror(code)) }

    /// One sentence.
    package var description: String { "cannot \(action): \(reason)" }
}
