import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// `swiftep explore` and `swiftep mutate`.
@Suite struct ExploreTests {
    private struct Report: Decodable {
        struct Entry: Decodable {
            struct Failure: Decodable {
                let error: String
                let schedule: String
            }
            let workload: String
            let schedules: Int
            let interleavings: Int
            let failure: Failure?
        }
        let entries: [Entry]
        let schedules: Int
        let failed: Int
    }

    private static let smallLayer = [
        "explore", "--overlap", "singleBatch", "--hidden", "128", "--experts", "2", "--tokens", "2", "--json",
    ]

    private func report(_ arguments: [String], code: Int32) throws -> Report {
        let result = try Program.run(arguments)
        #expect(result.code == code, "\(result.errors)")
        return try JSONDecoder().decode(Report.self, from: Data(result.output.utf8))
    }

    @Test func listsWorkloads() throws {
        let all = try Program.run(["explore", "--list"])
        #expect(all.code == 0, "\(all.errors)")
        let names = all.output.split(separator: "\n").map(String.init)
        #expect(names.count > 20)
        let name = try #require(names.first)
        #expect(try Program.run(["explore", "--list", "--filter", name]).output == name + "\n")
        let streams = try Program.run(["explore", "--list", "--filter", "stream "]).output
        #expect(streams == "stream read\nstream copy\n")
    }

    @Test func exploresALayer() throws {
        let clean = try report(Self.smallLayer + ["--schedules", "10"], code: 0)
        #expect(clean.schedules == 10 && clean.failed == 0 && clean.entries.count == 1)
        #expect(clean.entries[0].interleavings == 10)
        #expect(clean.entries[0].workload.contains("singleBatch"))
        let timed = try report(Self.smallLayer + ["--seconds", "2"], code: 0)
        #expect(timed.schedules > 2)
    }

    /// A planted fault is found, and its schedule shows it in another process.
    @Test(arguments: [
        ("combine send: ExpertKernels/HomeRows.swift", "is relaxed: nothing orders"),
        ("barrier 0 sync: removed", "race on byte"),
        ("release (gpu scope) atomic: relaxed", "is relaxed: nothing orders"),
    ])
    func plantedFaultsReplay(_ fault: String, _ message: String) throws {
        let planted = Self.smallLayer + ["--plant", fault]
        let found = try report(planted + ["--schedules", "100"], code: 1)
        let failure = try #require(found.entries[0].failure)
        #expect(failure.error.contains(message), "\(failure.error)")
        let replayed = try report(planted + ["--replay", failure.schedule], code: 1)
        #expect(replayed.schedules == 1)
        #expect(replayed.entries[0].failure?.error == failure.error)
    }

    @Test func textNamesWhatReplays() throws {
        let result = try Program.run(["explore", "--filter", "stream copy", "--plant", "bulkStoreWait"])
        #expect(result.code == 1)
        #expect(result.output.contains("FAILED  stream copy"))
        #expect(result.output.contains("--filter 'stream copy' --replay '"))
        #expect(result.output.contains("bulkStoreWait(.sourceRead)"))
    }

    @Test func searchesInDepth() throws {
        let result = try report(
            ["explore", "--filter", "stream read", "--policy", "exhaustive", "--schedules", "50", "--json"], code: 0)
        #expect(result.schedules == 50)
    }

    @Test(arguments: [
        (["explore", "--filter", "nothing like it"], "no workload's name contains 'nothing like it'"),
        (["explore", "--plant", "no such fault", "--filter", "stream copy"], "--faults prints all"),
        (["explore", "--replay", "random:1"], "choose one with --filter"),
        (["explore", "--replay", "random"], "it takes a schedule as a failure prints it"),
        (["explore", "--policy", "some"], "it takes random, pct or exhaustive"),
        (["explore", "--hidden", "100"], "hidden"),
        (["mutate", "--filter", "no such line"], "no mutation contains 'no such line'"),
        (["mutate", "--markdown", "--json"], "do not go together"),
        (["mutate", "--markdown", "--part", "1/2"], "--part does not go with --markdown"),
        (["mutate", "--check", "page", "--filter", "stream"], "--filter does not go with --check"),
        (["mutate", "--filter", "stream", "--part", "999/1000"], "mutations have no part 999/1000; take at most"),
        (["mutate", "--check", "/no/such/page"], "--check is '/no/such/page', which cannot be read as text"),
    ])
    func refuses(_ words: [String], _ message: String) throws {
        let result = try Program.run(words)
        #expect(result.code == 64, "\(words)")
        #expect(result.errors.contains(message), "\(result.errors)")
    }

    @Test func mutatesAKernel() throws {
        struct Mutations: Decodable {
            struct Entry: Decodable {
                let kernel: String
                let verdict: String
            }
            let entries: [Entry]
            let found: Int
        }
        let result = try Program.run(["mutate", "--filter", "stream", "--json"])
        #expect(result.code == 0, "\(result.errors)")
        let report = try JSONDecoder().decode(Mutations.self, from: Data(result.output.utf8))
        #expect(report.entries.count > 4 && report.found == report.entries.count)
        #expect(report.entries.allSatisfy { $0.kernel == "stream" && $0.verdict == "found" })
        let redundant = try Program.run(["mutate", "--filter", "DispatchReceiveKernel.swift:51 syncWarp"])
        #expect(redundant.code == 0 && redundant.output.contains("1 redundant, 0 unexplained"), "\(redundant.output)")
    }

    /// The page of the documentation, in which one row has gone, and another says something else than is found.
    @Test func comparesThePageOfMutations() throws {
        let root = "/" + "\(#filePath)".split(separator: "/").dropLast(3).joined(separator: "/")
        let path = root + "/docs/mutations.md"
        let page = try #require(FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) })
        var lines = page.split(separator: "\n", omittingEmptySubsequences: false)
        let rows = lines.indices.filter { lines[$0].hasSuffix("| found |") }
        let (first, last) = (lines[rows[0]], lines[rows[rows.count - 1]])
        lines[rows[0]] = first.dropLast("found |".count) + "redundant: nobody looks |"
        lines.remove(at: rows[rows.count - 1])
        try TemporaryFolder.with { folder in
            let wrong = folder + "/mutations.md"
            #expect(
                FileManager.default.createFile(
                    atPath: wrong, contents: Data(lines.joined(separator: "\n").utf8)))
            // A thousandth part is the first mutation.
            let result = try Program.run(["mutate", "--check", wrong, "--part", "1/1000"])
            #expect(result.code == 1)
            #expect(result.output.contains("1 found, 0 redundant, 0 unexplained, "), "\(result.output)")
            let differences = result.errors.split(separator: "\n").filter { $0.hasPrefix("+ ") || $0.hasPrefix("- ") }
            // It is not known what becomes of the row that has gone, so that the sum is wrong as well.
            let sum = lines[2].replacing("\(rows.count) found", with: "\(rows.count - 1) found")
            #expect(
                Set(differences) == [
                    "- \(lines[rows[0]])", "+ \(first)", "+ \(last.dropLast("found |".count))not tried |",
                    "- \(lines[2])", "+ \(sum)",
                ], "\(result.errors)")
        }
    }
}
