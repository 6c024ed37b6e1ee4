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

/// Files with litmus tests, and their expectations.
enum LitmusFiles {
    /// Most bytes of a file.
    static let limit = 1 << 20
    private static let depthLimit = 16

    /// The text of a file.
    static func text(of path: String) throws(LitmusFileError) -> String {
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw .unreadable(path: path, reason: String(cString: strerror(errno)))
        }
        // Pipes and devices may never end.
        guard status.st_mode & S_IFMT == S_IFREG else { throw .unreadable(path: path, reason: "it is no regular file") }
        guard status.st_size <= limit else {
            throw .tooLong(path: path, bytes: Int(status.st_size), limit: limit)
        }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw .unreadable(path: path, reason: String(cString: strerror(errno)))
        }
        guard let text = String(bytes: data, encoding: .utf8) else { throw .notUTF8(path: path) }
        return text
    }

    /// The test at `path`, or the tests in the folder there, in the order of their names.
    static func tests(at path: String) throws(LitmusFileError) -> [String] {
        guard isFolder(path) else { return [path] }
        let found = try tests(in: path, depth: 0)
        guard !found.isEmpty else { throw .noTests(path: path) }
        return found
    }

    private static func tests(in folder: String, depth: Int) throws(LitmusFileError) -> [String] {
        guard depth < depthLimit else { throw .tooDeep(path: folder, limit: depthLimit) }
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: folder)
        } catch {
            throw .unreadable(path: folder, reason: "\(error)")
        }
        var tests: [String] = []
        for name in names.sorted() {
            let path = folder + (folder.hasSuffix("/") ? "" : "/") + name
            if isFolder(path) {
                tests += try self.tests(in: path, depth: depth + 1)
            } else if name.hasSuffix(".litmus") {
                tests.append(path)
            }
        }
        return tests
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The `realpath` of a path, or the path itself if no file is there.
    static func canonical(_ path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}

/// Lines `PATH,0` and `PATH,1`; paths are relative to the list's folder.
struct LitmusExpectations {
    /// Tests, in the order of the lines.
    private(set) var paths: [String] = []
    private var values: [String: Bool] = [:]

    init(_ path: String) throws(LitmusFileError) {
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
        let lines = try LitmusFiles.text(of: path).split(omittingEmptySubsequences: false) { $0.isNewline }
        for (index, line) in lines.enumerated() where line.contains(where: { !$0.isWhitespace }) {
            guard let comma = line.lastIndex(of: ","), comma != line.startIndex else {
                throw .expectation(path: path, line: index + 1, text: String(line))
            }
            let value = line[line.index(after: comma)...].filter { !$0.isWhitespace }
            guard value == "0" || value == "1" else {
                throw .expectation(path: path, line: index + 1, text: String(line))
            }
            let name = String(line[..<comma])
            let test = name.hasPrefix("/") ? name : folder + name
            let key = LitmusFiles.canonical(test)
            if let known = values.updateValue(value == "1", forKey: key) {
                guard known == (value == "1") else { throw .contradiction(path: path, line: index + 1, test: name) }
            } else {
                paths.append(test)
            }
        }
    }

    /// The expectation of the test at `path`; nil for none.
    subscript(path: String) -> Bool? { values[LitmusFiles.canonical(path)] }
}
