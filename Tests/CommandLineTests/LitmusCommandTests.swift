import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// `swiftep litmus`.
@Suite struct LitmusCommandTests {
    private struct Report: Decodable {
        struct Entry: Decodable {
            let file: String
            let name: String?
            let verdict: String
            let expected: Bool?
            let allowed: Bool?
            let seen: Bool?
            let schedules: Int
            let complete: Bool
            let judgeRace: Bool?
            let modelRace: Bool?
            let error: String?
            let schedule: String?
        }
        let entries: [Entry]
        let agree: Int
        let seenThoughForbidden: Int
        let unreadable: Int
    }

    private static func buffering(_ between: String) -> String {
        """
        PTX SB
        {x=0; y=0}
         P0@cta 0,gpu 0       | P1@cta 1,gpu 0       ;
         st.relaxed.gpu x, 1  | st.relaxed.gpu y, 1  ;
         \(between)           | \(between)           ;
         ld.relaxed.gpu r0, y | ld.relaxed.gpu r0, x ;
        exists (P0:r0 == 0 /\\ P1:r0 == 0)
        """
    }

    private func write(_ text: String, _ path: String) throws {
        try Data(text.utf8).write(to: URL(filePath: path))
    }

    @Test func folderWithExpectations() throws {
        try TemporaryFolder.with { folder in
            try FileManager.default.createDirectory(atPath: "\(folder)/fences", withIntermediateDirectories: true)
            try write(Self.buffering(""), "\(folder)/weak.litmus")
            try write(Self.buffering("fence.sc.gpu"), "\(folder)/fences/sc.litmus")
            try write("weak.litmus,1\nfences/sc.litmus,0\n", "\(folder)/expected.csv")
            for arguments in [
                ["--expected", "\(folder)/expected.csv"], [folder, "--expected", "\(folder)/expected.csv"],
            ] {
                let result = try Program.run(["litmus", "--json"] + arguments)
                #expect(result.code == 0, "\(result.errors)")
                let report = try JSONDecoder().decode(Report.self, from: Data(result.output.utf8))
                #expect(report.entries.count == 2 && report.agree == 2)
                let weak = try #require(report.entries.first { $0.file.hasSuffix("weak.litmus") })
                #expect(weak.name == "SB" && weak.expected == true && weak.allowed == true && weak.seen == true)
                #expect(weak.complete && weak.schedules > 1 && weak.judgeRace == false && weak.modelRace == false)
                let fenced = try #require(report.entries.first { $0.file.hasSuffix("sc.litmus") })
                #expect(fenced.expected == false && fenced.allowed == false && fenced.seen == false)
            }
            let text = try Program.run(["litmus", folder]).output
            #expect(text.contains("agrees   allowed    yes") && text.contains("2 tests in "))
            #expect(text.contains("2 agree, 0 allowed but not seen, 0 seen though forbidden"))
        }
    }

    /// A wrong expectation fails, with the schedule that shows what it says cannot be.
    @Test func seenThoughForbidden() throws {
        try TemporaryFolder.with { folder in
            try write(Self.buffering(""), "\(folder)/weak.litmus")
            try write("weak.litmus,0\n", "\(folder)/expected.csv")
            let result = try Program.run(["litmus", "--expected", "\(folder)/expected.csv", "--json"])
            #expect(result.code == 1)
            let report = try JSONDecoder().decode(Report.self, from: Data(result.output.utf8))
            #expect(report.seenThoughForbidden == 1)
            #expect(report.entries[0].schedule?.hasPrefix("choices:") == true)
        }
    }

    /// A test that cannot be read fails, and the others run.
    @Test func unreadableTests() throws {
        try TemporaryFolder.with { folder in
            try write(Self.buffering(""), "\(folder)/good.litmus")
            try write(Self.buffering("fence.wrong"), "\(folder)/bad.litmus")
            try Data([0xFF, 0xFE]).write(to: URL(filePath: "\(folder)/bytes.litmus"))
            let result = try Program.run([
                "litmus", "\(folder)/good.litmus", "\(folder)/bad.litmus", "\(folder)/bytes.litmus",
                "\(folder)/none.litmus",
            ])
            #expect(result.code == 1)
            #expect(result.output.contains("\(folder)/bad.litmus:5:8: 'wrong' is no modifier of a fence"))
            #expect(result.output.contains("\(folder)/bytes.litmus is no UTF-8 text"))
            #expect(result.output.contains("cannot read \(folder)/none.litmus: No such file or directory"))
            #expect(result.output.contains("1 agree, 0 allowed but not seen"))
            #expect(result.output.contains("3 cannot be read"))
        }
    }

    @Test func wrongCalls() throws {
        let nothing = try Program.run(["litmus"])
        #expect(nothing.code == 64 && nothing.errors.contains("swiftep litmus needs FILE or --expected"))
        let empty = try Program.run(["litmus", ""])
        #expect(empty.code == 64 && empty.errors.contains("FILE is ''"))
        try TemporaryFolder.with { folder in
            let none = try Program.run(["litmus", folder])
            #expect(none.code == 1 && none.errors.contains("no file that ends with .litmus"))
            try write("weak.litmus,2\n", "\(folder)/expected.csv")
            let list = try Program.run(["litmus", "--expected", "\(folder)/expected.csv"])
            #expect(list.code == 1 && list.errors.contains("expected.csv:1: 'weak.litmus,2' is no expectation"))
            try write("a,1\na,0\n", "\(folder)/expected.csv")
            let both = try Program.run(["litmus", "--expected", "\(folder)/expected.csv"])
            #expect(both.code == 1 && both.errors.contains("a is expected to be both 0 and 1"))
        }
    }
}
