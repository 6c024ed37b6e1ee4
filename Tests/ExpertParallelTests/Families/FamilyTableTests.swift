import ExpertParallel
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

@Suite("Families: documentation")
struct FamilyTableTests {
    private static let page =
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path + "/docs/models.md"

    @Test("docs/models.md has the families as they are; SWIFTEP_RECORD=1 writes them")
    func table() throws {
        let text = String(decoding: try Data(contentsOf: URL(filePath: Self.page)), as: UTF8.self)
        let (begin, end) = ("<!-- families -->\n", "<!-- end -->")
        let start = try #require(text.firstRange(of: begin)).upperBound
        let stop = try #require(text.firstRange(of: end)).lowerBound
        if ProcessInfo.processInfo.environment["SWIFTEP_RECORD"] == "1" {
            let page = text[..<start] + FamilyTable.markdown + text[stop...]
            try Data(page.utf8).write(to: URL(filePath: Self.page))
        } else {
            #expect(text[start..<stop] == FamilyTable.markdown)
        }
    }

    @Test("Every family that can be read is compared with numpy")
    func compared() {
        #expect(Set(FamilyCases.all.map(\.family)) == Set(ModelConfiguration.families))
    }
}
