import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What `swiftep bench` measures and writes down, on the simulator.
@Suite struct BenchTests {
    private static func sizes(tokens: Int) -> [String] {
        ["--device", "simulator", "--hidden", "256", "--experts", "8", "--topk", "2", "--ranks", "2"]
            + ["--tokens", "\(tokens)"]
    }
    private static let small = sizes(tokens: 3)
    private static let layer = ["bench", "layer"] + small + ["--intermediate", "256"]

    /// A row of a layer's report, or a line of a file of results.
    private struct Row: Decodable {
        let tokens: Int
        let what: String
        let routing: String
        let rowsOfExperts: [Int]
        let minimumMicroseconds: Double
        let medianMicroseconds: Double
        let maximumMicroseconds: Double
        let floorMicroseconds: Double?
        let idealMicroseconds: Double?
        let expertsRead: Int?
        let weightSets: Int?
        let setAside: String?
        let aloneMicroseconds: Double?
        let betweenMicroseconds: Double?
        let rowBytes: Int?
        let gigabytesPerSecond: Double?
        let linkMicroseconds: Double?
        let withoutLinkMicroseconds: Double?
        let hiddenShare: Double?
        let network: String?
        let networkLink: String?
        // Of lines only.
        let schema: Int?
        let date: String?
        let commit: String?
        let card: String?
        let command: String?
        let bench: String?
        let source: String?
        let simulated: Bool?
        let experts: Int?
        let hidden: Int?
    }

    private struct Report: Decodable {
        let simulated: Bool
        let entries: [Row]
    }

    private static func report(_ arguments: [String]) throws -> Report {
        let result = try Program.run(arguments + ["--json"])
        try #require(result.code == 0, "\(arguments): \(result.errors)")
        return try JSONDecoder().decode(Report.self, from: Data(result.output.utf8))
    }

    /// Lines of a file of results.
    private static func lines(_ path: String) throws -> [Row] {
        let text = String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
        #expect(text.hasSuffix("}\n"))
        return try text.split(separator: "\n").map { try JSONDecoder().decode(Row.self, from: Data($0.utf8)) }
    }

    // MARK: Floors

    /// A token that goes to one expert has the weights of one read, and a shared expert's.
    @Test func theFloorReadsExpertsThatHaveRows() throws {
        let one =
            ["bench", "layer", "--device", "simulator", "--hidden", "256", "--intermediate", "256", "--ranks", "1"]
            + ["--experts", "8", "--tokens", "1", "--overlap", "none"]
        var floors: [Int: Double] = [:]
        for topK in [1, 8] {
            let row = try #require(Self.report(one + ["--topk", "\(topK)"]).entries.first)
            #expect(row.expertsRead == topK && row.weightSets == 2)
            #expect(row.rowsOfExperts.filter { $0 > 0 } == [Int](repeating: 1, count: topK))
            floors[topK] = row.floorMicroseconds
        }
        #expect(try #require(floors[1]) < #require(floors[8]))
        let shared = try #require(Self.report(one + ["--topk", "1", "--shared-expert"]).entries.first)
        #expect(shared.expertsRead == 2)
    }

    // MARK: Routing

    @Test func skewBesideTheEvenRouting() throws {
        let arguments =
            ["bench", "layer"] + Self.sizes(tokens: 16) + ["--intermediate", "256"]
            + ["--overlap", "none", "--skew", "1.5"]
        let rows = try Self.report(arguments).entries
        #expect(rows.map(\.routing) == ["even", "skewed 1.5"])
        for row in rows {
            #expect(row.rowsOfExperts.count == 8 && row.rowsOfExperts.reduce(0, +) == 2 * 16 * 2)
            #expect(row.rowsOfExperts.allSatisfy { $0 <= 2 * 16 })
        }
        #expect(try #require(rows[1].rowsOfExperts.max()) > #require(rows[0].rowsOfExperts.max()))
        // Seeded.
        #expect(try Self.report(arguments).entries.map(\.rowsOfExperts) == rows.map(\.rowsOfExperts))
    }

    @Test func theRoutingIsPrinted() throws {
        let result = try Program.run(Self.layer + ["--overlap", "none"])
        let rows = try #require(Self.report(Self.layer + ["--overlap", "none"]).entries.first).rowsOfExperts
        let text =
            "3 tokens, even: \(rows.count { $0 > 0 }) of 8 experts have rows, at most \(rows.max() ?? 0): "
            + rows.map { "\($0)" }.joined(separator: " ")
        #expect(result.output.contains(text), "\(result.output)")
    }

    // MARK: Other work

    @Test func layersSetNothingAsideUnlessAskedTo() throws {
        #expect(try Self.report(Self.layer + ["--overlap", "none"]).entries.map(\.setAside) == ["driver"])
    }

    @Test func workBetweenStepsIsTakenOut() throws {
        let arguments = Self.layer + ["--overlap", "direct", "--between", "2MB"]
        let rows = try Self.report(arguments).entries
        #expect(rows.map(\.setAside) == ["driver", "layer"])
        for row in rows {
            let (alone, between) = (try #require(row.aloneMicroseconds), try #require(row.betweenMicroseconds))
            #expect(between > 0)
            // Not the work as well: the simulator has no caches.
            #expect(abs(row.medianMicroseconds - alone) < 0.5 * alone, "\(row)")
        }
        let text = try Program.run(arguments).output
        #expect(
            text.contains("Between steps others read and write 2 MB; their own time, measured alone, is taken out."))
        #expect(text.contains("set aside gain a step "), "\(text)")
    }

    /// Three times round the same memory takes three times as long, and nothing is set aside when that was asked for.
    @Test func workBetweenStepsGoesRound() throws {
        func between(_ amount: String) throws -> Double {
            let rows = try Self.report(Self.layer + ["--overlap", "none", "--set-aside", "none", "--between", amount])
            #expect(rows.entries.map(\.setAside) == ["none"])
            return try #require(rows.entries.first?.betweenMicroseconds)
        }
        let (once, thrice) = (try between("20MB"), try between("60MB,20MB"))
        #expect((2...4).contains(thrice / once), "\(once) \(thrice)")
    }

    // MARK: Pairs

    @Test func pairsOfDispatchAndCombine() throws {
        func row(_ what: String) throws -> Row {
            try #require(Self.report(["bench", what] + Self.small).entries.first)
        }
        let (dispatch, combine, pair) = (try row("dispatch"), try row("combine"), try row("dispatch-combine"))
        #expect((dispatch.what, combine.what, pair.what) == ("dispatch", "combine", "pair"))
        // FP8 and a scale of 4 bytes for 128 channels, and what says whose row it is; BF16.
        let (sent, home) = (try #require(dispatch.rowBytes), try #require(combine.rowBytes))
        #expect(sent >= 3 * 2 * (256 + 8) && sent <= 3 * 2 * (256 + 8 + 128))
        #expect(home >= 3 * 2 * 512 && home <= 3 * 2 * (512 + 128))
        #expect(pair.rowBytes == sent + home)
        let rate = Double(sent + home) / pair.medianMicroseconds / 1e3
        #expect(abs(try #require(pair.gigabytesPerSecond) - rate) < 1e-6 * rate)
        #expect(pair.medianMicroseconds > dispatch.medianMicroseconds)
    }

    // MARK: Modelled networks

    private static let card = ["--transport", "loopback", "--network-link", "50GB/s,20us,1us"]

    /// Cards send a message each microsecond here, whatever its size.
    @Test func cardsTakeTheirTime() throws {
        let pair = ["bench", "dispatch-combine"] + Self.small
        let row = try #require(Self.report(pair + Self.card).entries.first)
        let without = try #require(Self.report(pair + ["--transport", "loopback"]).entries.first)
        // No rank sends more than its 6 choices, and numbers of rows for 4 experts; and gets more than 6 results.
        let time = try #require(row.linkMicroseconds)
        #expect((40...62).contains(time), "\(time)")
        #expect(without.linkMicroseconds == 0)
        #expect(row.medianMicroseconds > without.medianMicroseconds + 20)
    }

    /// Nobody answers a dispatch alone.
    @Test(arguments: ["dispatch", "combine"])
    func oneWayHasNoCards(_ what: String) throws {
        let result = try Program.run(["bench", what] + Self.small + Self.card)
        #expect(result.code == 64, "\(result.output)")
        #expect(result.errors.contains("--network-link"), "\(result.errors)")
    }

    @Test func layersWithCardsAndWithout() throws {
        try TemporaryFolder.with { folder in
            let file = folder + "/results.jsonl"
            let arguments = Self.layer + Self.card + ["--overlap", "none,direct"]
            let result = try Program.run(arguments + ["--results", file])
            #expect(result.code == 0, "\(result.errors)")
            #expect(
                result.output.contains("network: loopback with cards of 50.0 GB/s, 20.0 µs, 1.0 µs a message"),
                "\(result.output)")
            #expect(result.output.contains("network µs"), "\(result.output)")
            #expect(result.output.contains("of what can be"), "\(result.output)")
            for row in try Self.lines(file) {
                #expect(row.networkLink == "50.0 GB/s, 20.0 µs, 1.0 µs a message")
                let (time, without) = (
                    try #require(row.linkMicroseconds), try #require(row.withoutLinkMicroseconds)
                )
                #expect(time > 40 && row.medianMicroseconds > without)
                let hidden = time - (row.medianMicroseconds - without)
                #expect(abs(try #require(row.hiddenShare) - hidden / time) < 1e-9)
                #expect(try #require(row.idealMicroseconds) >= time)
            }
        }
    }

    // MARK: Results

    @Test func resultsAreAddedAsLines() throws {
        try TemporaryFolder.with { folder in
            let file = folder + "/results.jsonl"
            let first = Self.layer + ["--overlap", "none,direct", "--link", "50GB/s,5us", "--results", file]
            let result = try Program.run(first + ["--commit", "abc"])
            #expect(result.code == 0, "\(result.errors)")
            #expect(result.output.contains("of ideal"))
            let environment = ["SWIFTEP_COMMIT": "def"]
            #expect(
                try Program.run(["bench", "dispatch"] + Self.small + ["--results=\(file)"], environment: environment)
                    .code == 0)
            let rows = try Self.lines(file)
            #expect(rows.map(\.bench) == ["layer", "layer", "dispatch"])
            #expect(rows.map(\.what) == ["none", "direct", "dispatch"])
            #expect(rows.map(\.commit) == ["abc", "abc", "def"])
            for row in rows {
                #expect(row.schema == 1 && row.source == "swiftep" && row.simulated == true)
                #expect((row.experts, row.hidden) == (8, 256))
                #expect(row.card?.isEmpty == false)
                #expect(row.date?.hasSuffix("Z") == true && row.date?.count == 20, "\(row.date ?? "")")
                #expect(row.command?.contains("results") == false && row.command?.contains("commit") == false)
                #expect(row.minimumMicroseconds <= row.medianMicroseconds)
                #expect(row.medianMicroseconds <= row.maximumMicroseconds)
            }
            #expect(rows[0].command?.hasPrefix("swiftep bench layer --device simulator ") == true)
            #expect(rows[0].hiddenShare != nil)
        }
    }

    @Test(arguments: ["ceiling", "gemm"]) func otherBenchesWriteResults(_ what: String) throws {
        struct Line: Decodable {
            let bench: String
            let medianMicroseconds: Double
        }
        try TemporaryFolder.with { folder in
            let file = folder + "/results.jsonl"
            let sizes = what == "gemm" ? ["--n", "256", "--k", "256", "--experts", "2", "--tokens", "1,8"] : []
            let result = try Program.run(["bench", what, "--device", "simulator", "--results", file] + sizes)
            #expect(result.code == 0, "\(result.errors)")
            let text = String(decoding: try Data(contentsOf: URL(filePath: file)), as: UTF8.self)
            let lines = try text.split(separator: "\n").map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
            #expect(lines.count == (what == "gemm" ? 2 : 8))
            #expect(lines.allSatisfy { $0.bench == what && $0.medianMicroseconds > 0 })
        }
    }

    /// One process writes for all.
    @Test func processesWriteOneFile() throws {
        try TemporaryFolder.with { folder in
            let file = folder + "/results.jsonl"
            let result = try Program.run(["bench", "dispatch"] + Self.small + ["--processes", "2", "--results", file])
            #expect(result.code == 0, "\(result.errors)")
            #expect(try Self.lines(file).map(\.bench) == ["dispatch"])
        }
    }

    /// Nothing is measured for a file that cannot be written, and none is left behind by what fails.
    @Test func resultsThatCannotBeWritten() throws {
        let directory = try Program.run(Self.layer + ["--results", "/tmp"])
        #expect(directory.code == 64 && directory.output == "")
        #expect(directory.errors.contains("--results is '/tmp'; it takes a regular file"), "\(directory.errors)")
        try TemporaryFolder.with { folder in
            let file = folder + "/results.jsonl"
            let result = try Program.run([
                "bench", "layer", "--device", "simulator", "--hidden", "100", "--results", file,
            ])
            #expect(result.code == 64)
            #expect(!FileManager.default.fileExists(atPath: file))
        }
    }
}
