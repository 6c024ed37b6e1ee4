import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// `swiftep verify`, `swiftep ptx` and `swiftep bench`.
@Suite struct ToolTests {
    @Test func listsCases() throws {
        let all = try Program.run(["verify", "--device", "simulator", "--list"])
        #expect(all.code == 0, "\(all.errors)")
        let names = all.output.split(separator: "\n").map(String.init)
        #expect(names.count > 20)
        #expect(Set(names).count == names.count)
        let word = try #require(names.first?.split(separator: " ").last.map(String.init))
        let some = try Program.run(["verify", "--device", "simulator", "--list", "--filter", word])
        #expect(some.output.split(separator: "\n").map(String.init) == names.filter { $0.contains(word) })
    }

    /// Every case is in one part.
    @Test func sharesCasesAmongParts() throws {
        let list = ["verify", "--device", "simulator", "--list"]
        let all = try Program.run(list).output.split(separator: "\n")
        let parts = try (1...3).map { try Program.run(list + ["--part", "\($0)/3"]).output.split(separator: "\n") }
        #expect(parts.allSatisfy { $0.count >= all.count / 3 })
        #expect(parts.joined().sorted() == all.sorted())
    }

    @Test func runsACase() throws {
        let list = try Program.run(["verify", "--device", "simulator", "--list"])
        let name = try #require(list.output.split(separator: "\n").first.map(String.init))
        let result = try Program.run(["verify", "--device", "simulator", "--filter", name])
        #expect(result.code == 0, "\(result.errors)")
        #expect(result.output.contains(name))
        #expect(result.output.contains(" passed, 0 failed\n"))
    }

    @Test func printsPTX() throws {
        let list = try Program.run(["ptx", "--list"])
        #expect(list.code == 0, "\(list.errors)")
        let names = list.output.split(separator: "\n").map(String.init)
        #expect(names.contains("stream_read"))
        let one = try Program.run(["ptx", "stream_read"])
        #expect(one.code == 0)
        #expect(one.output.contains(".target sm_90a"))
        #expect(one.output.contains(".entry stream_read"))
        let all = try Program.run(["ptx"])
        for name in names {
            #expect(all.output.contains(".entry \(name)("), "\(name)")
        }
    }

    @Test func saysHowToGetTheAssembler() throws {
        let result = try Program.run(
            ["ptx", "stream_read", "--report"], environment: ["SWIFTEP_PTXAS": "/nonexistent/ptxas"])
        #expect(result.code == 1)
        #expect(result.errors.contains("/nonexistent/ptxas"))
        #expect(result.errors.contains("SWIFTEP_PTXAS"))
        #expect(result.errors.contains("nvidia-cuda-nvcc==13.0.88"))
    }

    @Test func measuresTheSimulatorAndSaysSo() throws {
        struct Report: Decodable {
            struct Entry: Decodable {
                let direction: String
                let bytes: Int
                let minimumMicroseconds: Double
                let maximumMicroseconds: Double
            }
            let simulated: Bool
            let entries: [Entry]
        }
        let result = try Program.run(["bench", "ceiling", "--device", "simulator", "--json"])
        #expect(result.code == 0, "\(result.errors)")
        let report = try JSONDecoder().decode(Report.self, from: Data(result.output.utf8))
        #expect(report.simulated)
        #expect(
            report.entries.map(\.direction) == Array(repeating: "read", count: 4) + Array(repeating: "copy", count: 4))
        for entry in report.entries {
            #expect(entry.bytes > 0)
            #expect(entry.minimumMicroseconds > 0)
            #expect(entry.maximumMicroseconds >= entry.minimumMicroseconds)
        }
    }
}
