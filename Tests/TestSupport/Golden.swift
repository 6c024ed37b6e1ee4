import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Expects `text` to equal the golden file `Golden/<name>` next to the test's source file.
///
/// A missing file is written, and the test fails so that somebody reads what was recorded. `SWIFTEP_RECORD=1` in the
/// environment records again.
///
/// - Parameters:
///   - text: What the code under test printed.
///   - name: File name with extension, `bulk-copies.ptx` say.
///   - file: The test's source file; the golden files lie in a folder beside it.
public func expectGolden(
    _ text: String, named name: String, file: StaticString = #filePath,
    sourceLocation: Testing.SourceLocation = #_sourceLocation
) {
    let folder = URL(fileURLWithPath: "\(file)").deletingLastPathComponent().appendingPathComponent("Golden")
    let golden = folder.appendingPathComponent(name)
    let recorded = try? String(decoding: Data(contentsOf: golden), as: UTF8.self)
    let records = ProcessInfo.processInfo.environment["SWIFTEP_RECORD"] == "1"
    if let recorded, !records {
        if recorded != text {
            Issue.record(
                "\(name) differs (SWIFTEP_RECORD=1 records again):\n\(difference(from: recorded, to: text))",
                sourceLocation: sourceLocation)
        }
        return
    }
    do {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: golden)
    } catch {
        Issue.record("cannot write \(golden.path): \(error)", sourceLocation: sourceLocation)
        return
    }
    if !records {
        Issue.record("\(name) was missing and has been written; read it and run again", sourceLocation: sourceLocation)
    }
}

/// The first place where two texts differ, in the style of a unified diff with two lines of context.
///
/// - Parameter limit: Lines shown of each text.
public func difference(from old: String, to new: String, limit: Int = 8) -> String {
    let before = old.split(separator: "\n", omittingEmptySubsequences: false)
    let after = new.split(separator: "\n", omittingEmptySubsequences: false)
    let start = zip(before, after).prefix { $0 == $1 }.count
    if start == before.count && start == after.count { return "" }
    // Equal lines at the end do not belong to the difference.
    let ending = zip(before.dropFirst(start).reversed(), after.dropFirst(start).reversed()).prefix { $0 == $1 }.count
    let removed = before[start..<(before.count - ending)]
    let added = after[start..<(after.count - ending)]
    var lines = ["@@ line \(start + 1) @@"]
    lines += before[max(0, start - 2)..<start].map { " \($0)" }
    for (mark, changed) in [("-", removed), ("+", added)] {
        lines += changed.prefix(limit).map { "\(mark)\($0)" }
        if changed.count > limit { lines.append("\(mark)… \(changed.count - limit) more lines") }
    }
    return lines.joined(separator: "\n")
}
