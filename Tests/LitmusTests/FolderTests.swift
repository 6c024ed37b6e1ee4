import Litmus
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Tests of others, which are no part of this package: `SWIFTEP_LITMUS` names a folder with `expected.csv`.
@Suite struct FolderTests {
    static let folder = ProcessInfo.processInfo.environment["SWIFTEP_LITMUS"]

    @Test(.enabled(if: folder != nil, "SWIFTEP_LITMUS names no folder with litmus tests and expected.csv"))
    func testsOfOthers() throws {
        let folder = try #require(Self.folder)
        let list = try String(contentsOfFile: "\(folder)/expected.csv", encoding: .utf8)
        var count = 0
        for line in list.split(separator: "\n") {
            let parts = line.split(separator: ",")
            guard parts.count == 2 else { continue }
            let text = try String(contentsOfFile: "\(folder)/\(parts[0])", encoding: .utf8)
            let found = try LitmusExamination(LitmusReader.read(text), expected: parts[1] == "1", seconds: 2)
            #expect([.agrees, .allowedButNotSeen].contains(found.verdict), "\(parts[0]): \(found.verdict)")
            count += 1
        }
        #expect(count > 0, "expected.csv lists no tests")
    }
}
