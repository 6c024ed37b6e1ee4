import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// `swiftep run` on the simulator, with the smallest layer that has all parts.
@Suite struct RunTests {
    static let small = [
        "run", "--device", "simulator", "--hidden", "1024", "--intermediate", "512", "--experts", "4", "--topk", "2",
        "--ranks",
        "2", "--tokens", "3",
    ]

    /// What `--json` promises.
    struct Report: Decodable {
        struct Mode: Decodable {
            let mode: String
            let relativeError: Double
            let relativeErrors: [Double]
            let unquantisedDistance: Double
            let unquantisedRelativeError: Double
            let outputHash: String
            let notReadyPolls: Int
            let waits: Int
            let microseconds: Double
            let clock: String
            let arrivals: Arrivals?
        }
        struct Arrivals: Decodable {
            struct Waits: Decodable { let count, nanoseconds, longestNanoseconds: Int }
            struct Rank: Decodable {
                let counts, rows, results: [Waits]
                let rowsOfExperts: [Int]
            }
            let ranks: [Rank]
        }
        let verified: Bool
        let identical: Bool
        let device: String
        let ranks: Int
        let tokens: Int
        let hidden: Int
        let intermediate: Int
        let experts: Int
        let topK: Int
        let seed: UInt64
        let modes: [Mode]

        init(_ result: ProgramResult) throws {
            self = try JSONDecoder().decode(Report.self, from: Data(result.output.utf8))
        }

        enum CodingKeys: CodingKey {
            case verified, identical, device, ranks, tokens, hidden, intermediate, experts, topK, seed, modes
        }
    }

    @Test func saysWhomRanksWaitedFor() throws {
        let report = try Report(try Program.run(Self.small + ["--arrivals", "--json"]))
        #expect(report.verified && report.identical)
        var all = 0
        for mode in report.modes {
            let ranks: [Report.Arrivals.Rank] = try #require(mode.arrivals).ranks
            #expect(ranks.count == 2)
            // Two choices of each of three tokens, and the tokens themselves for each rank's shared expert.
            let rows = ranks.flatMap { rank -> [Int] in rank.rowsOfExperts }.reduce(0, +)
            #expect(rows == 18, "\(mode.mode)")
            let waits = ranks.flatMap { rank -> [Report.Arrivals.Waits] in rank.counts + rank.rows + rank.results }
            for wait in waits {
                #expect(wait.longestNanoseconds <= wait.nanoseconds)
                #expect((wait.count > 0) == (wait.nanoseconds > 0))
            }
            all += waits.map(\.count).reduce(0, +)
        }
        // Of two ranks that begin together, one is first somewhere; not in every mode.
        #expect(all > 0)
        let text = try Program.run(Self.small + ["--arrivals"])
        #expect(text.output.contains("rank waited for") && text.output.contains("rows of an expert"))
        let without = try Program.run(Self.small + ["--overlap", "none"])
        #expect(!without.output.contains("rank waited for"))
    }

    @Test func verifiesAllModes() throws {
        let result = try Program.run(Self.small + ["--json"])
        #expect(result.code == 0, "\(result.errors)")
        #expect(result.errors == "")
        let report = try Report(result)
        #expect(report.verified)
        #expect(report.identical)
        #expect([report.ranks, report.tokens, report.hidden, report.intermediate] == [2, 3, 1024, 512])
        #expect([report.experts, report.topK] == [4, 2])
        #expect(report.seed == 1)
        #expect(report.modes.map(\.mode) == ["none", "singleBatch", "twoBatch", "direct"])
        for mode in report.modes {
            #expect(mode.relativeError <= 1e-3)
            #expect(mode.relativeErrors.count == 2)
            #expect(mode.unquantisedDistance <= 1e-2)
            // FP8 costs something; nothing at all would mean that nothing was quantised.
            #expect(mode.unquantisedRelativeError > 1e-4)
            #expect(mode.outputHash.count == 16)
            #expect(mode.microseconds > 0)
            #expect(mode.clock.contains("simulated"))
        }
        let (none, single) = (report.modes[0], report.modes[1])
        #expect(Set(report.modes.map(\.outputHash)).count == 1)
        #expect(none.notReadyPolls == 0)
        #expect(single.notReadyPolls > 0)
        #expect(single.waits > 0)
    }

    @Test func repeatsItselfAndFollowsTheSeed() throws {
        let one = Self.small + ["--overlap", "none", "--json"]
        let first = try Program.run(one)
        #expect(try Report(Program.run(one)).modes[0].outputHash == Report(first).modes[0].outputHash)
        let other = try Report(Program.run(one + ["--seed", "2"]))
        #expect(other.verified)
        #expect(try other.modes[0].outputHash != Report(first).modes[0].outputHash)
    }

    @Test func runsWithoutTokens() throws {
        let result = try Program.run(Self.small.dropLast() + ["0", "--json"])
        #expect(result.code == 0, "\(result.errors)")
        let report = try Report(result)
        #expect(report.verified)
        #expect(report.identical)
        #expect(report.modes.map(\.waits) == [0, 0, 0, 0])
    }

    @Test func printsText() throws {
        let result = try Program.run(Self.small + ["--overlap", "singleBatch"])
        #expect(result.code == 0, "\(result.errors)")
        for part in ["relative error", "output hash", "polls not ready", "simulated time", "verified: yes"] {
            #expect(result.output.contains(part), "\(part) in\n\(result.output)")
        }
    }

    /// The reference reads rows that replays discard; it must come before them, in every mode.
    @Test(arguments: ["none,singleBatch,twoBatch,direct", "twoBatch", "direct,none"])
    func timesReplaysAndStillVerifies(_ modes: String) throws {
        let timed = try Program.run(Self.small + ["--overlap", modes, "--replays", "2", "--json"])
        #expect(timed.code == 0, "\(timed.errors)")
        #expect(timed.output.contains("\"verified\" : true"), "\(timed.output)")
        #expect(timed.output.contains("simulated time of 2 graph replays in a row, all ranks"))
    }

    @Test func removesWhatItMade() throws {
        try TemporaryFolder.with { folder in
            let result = try Program.run(Self.small + ["--overlap", "none"], environment: ["TMPDIR": folder])
            #expect(result.code == 0, "\(result.errors)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == [])
        }
    }

    @Test func namesTheDroppedSignal() throws {
        // Three tokens choose two of four experts each: one of the first rank's experts has rows.
        var messages: [String] = []
        for expert in 0..<2 {
            let result = try Program.run(
                Self.small + [
                    "--overlap", "singleBatch", "--wait-limit", "0.0005", "--drop-signal", "0:\(expert):0",
                ])
            #expect(result.code == 1)
            messages.append(result.errors)
            if result.errors.contains("nobody waited") { continue }
            #expect(
                result.errors.contains(
                    "combine send of rank 0 waited for row block 0 of expert \(expert) from the GEMM before it"),
                "\(result.errors)")
        }
        #expect(messages.contains { $0.contains("waited for row block") }, "\(messages)")
    }

    @Test func refusesASignalThatIsNotThere() throws {
        let result = try Program.run(Self.small + ["--drop-signal", "2:0:0"])
        #expect(result.code == 64)
        #expect(result.errors.contains("a rank from 0 to 1, a local expert from 0 to 1 and a block from 0 to 0"))
    }
}
