import TestSupport
import Testing

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

/// Ranks in processes of their own, on simulators that share memory of the machine.
@Suite struct ProcessesTests {
    private static let layer = [
        "run", "--device", "simulator", "--hidden", "256", "--intermediate", "128", "--experts", "8", "--topk", "2",
        "--tokens", "3",
    ]

    private struct Report: Decodable {
        struct Mode: Decodable {
            let outputHashes: [String]
        }
        let verified: Bool
        let identical: Bool
        let ranks: Int
        let processes: Int
        let maskedRanks: [Int]
        let modes: [Mode]

        init(_ result: ProgramResult) throws {
            self = try JSONDecoder().decode(Report.self, from: Data(result.output.utf8))
        }
    }

    /// What was run, the code and all that was said, for failures.
    private static func text(_ arguments: [String], _ result: ProgramResult) -> String {
        "\(arguments.joined(separator: " ")): code \(result.code), \(result.output.suffix(2_000)) \(result.errors)"
    }

    // MARK: Results

    @Test(arguments: [(2, 4), (4, 4), (1, 4), (2, 2)])
    func outputsAreThoseOfOneProcess(_ processes: Int, _ ranks: Int) throws {
        let alone = try Report(Program.run(Self.layer + ["--ranks", "\(ranks)", "--json"]))
        let arguments = Self.layer + ["--ranks", "\(ranks)", "--processes", "\(processes)", "--json"]
        let result = try Program.run(arguments)
        #expect(result.code == 0, "\(Self.text(arguments, result))")
        let report = try Report(result)
        #expect(report.verified && report.identical)
        #expect((report.ranks, report.processes) == (ranks, processes))
        #expect(report.modes.map(\.outputHashes) == alone.modes.map(\.outputHashes))
    }

    /// The way through a network adapter, whose loads and stores are on windows of other processes.
    @Test(arguments: ["loopback", "network"], [(2, 2), (2, 4)])
    func networksGiveTheBitsOfLoadsAndStores(_ transport: String, _ count: (processes: Int, ranks: Int)) throws {
        let alone = try Report(Program.run(Self.layer + ["--ranks", "\(count.ranks)", "--json"]))
        let arguments =
            Self.layer + [
                "--ranks", "\(count.ranks)", "--processes", "\(count.processes)", "--transport", transport, "--json",
            ]
        let result = try Program.run(arguments)
        #expect(result.code == 0, "\(Self.text(arguments, result))")
        let report = try Report(result)
        #expect(report.verified && report.identical)
        #expect(report.modes.map(\.outputHashes) == alone.modes.map(\.outputHashes))
    }

    @Test(arguments: [[], ["--processes", "2", "--ranks", "2"]])
    func simulatorsHaveNoNVSHMEM(_ processes: [String]) throws {
        let result = try Program.run(Self.layer + processes + ["--transport", "nvshmem"])
        #expect(result.code == 64, "\(result.errors)")
        #expect(result.errors.contains("NVSHMEM moves memory of GPUs"), "\(result.errors)")
        #expect(result.errors.contains("--transport network"), "\(result.errors)")
    }

    @Test func nvshmemGoesOnWithoutNobody() throws {
        let result = try Program.run(Self.layer + ["--transport", "nvshmem", "--on-failure", "mask"])
        #expect(result.code == 64 && result.errors.contains("--on-failure"), "\(result.errors)")
    }

    @Test func casesForProcesses() throws {
        let arguments = ["verify", "--device", "simulator", "--processes", "2"]
        let result = try Program.run(arguments)
        #expect(
            result.code == 0 && result.output.contains("3 passed in 2 processes"), "\(Self.text(arguments, result))")
    }

    @Test(arguments: ["dispatch", "combine", "dispatch-combine", "layer"]) func benches(_ what: String) throws {
        let arguments = [
            "bench", what, "--device", "simulator", "--hidden", "256", "--experts", "4", "--topk", "2", "--tokens", "2",
            "--processes", "2", "--json",
        ]
        let result = try Program.run(arguments)
        #expect(result.code == 0 && result.output.contains("\"processes\" : 2"), "\(Self.text(arguments, result))")
    }

    @Test func oneTimelineOfAllProcesses() throws {
        try TemporaryFolder.with { folder in
            let arguments =
                Self.layer + [
                    "--processes", "2", "--arrivals", "--overlap", "direct", "--timeline", folder + "/t.json",
                ]
            let result = try Program.run(arguments)
            #expect(result.code == 0, "\(Self.text(arguments, result))")
            let trace = try String(contentsOfFile: folder + "/t.json", encoding: .utf8)
            for rank in 0..<2 { #expect(trace.contains("\"pid\":\(rank),"), "no events of rank \(rank)") }
            #expect(result.output.contains("rank waited for"))
        }
    }

    // MARK: Errors

    /// One line, whoever found it.
    @Test(arguments: [
        (["--ranks", "3", "--processes", "2"], "--ranks"), (["--processes", "2", "--hidden", "100"], "--hidden"),
        (["--processes", "0"], "--processes"), (["--processes", "2", "--lose-rank", "2:kill:0"], "--lose-rank"),
        (["--lose-rank", "0:kill:0"], "--processes"), (["--processes", "2", "--restart"], "--on-failure"),
        (["--processes", "2", "--on-failure", "mask", "--link", "50GB/s,5us"], "mask"),
    ]) func usageErrors(_ options: [String], _ named: String) throws {
        let arguments = Self.layer + options
        let result = try Program.run(arguments)
        #expect(result.code == 64, "\(Self.text(arguments, result))")
        #expect(result.errors.contains(named) && result.errors.split(separator: "\n").count == 1, "\(result.errors)")
        #expect(result.output == "")
    }

    /// Processes that are started by others, as torchrun does, with the same options and with others.
    @Test func variablesOfTorchrun() throws {
        let port = Int.random(in: 20_000..<30_000)
        func run(_ own: [String]) -> [Result<ProgramResult, any Error>] {
            onThreads(2) { process in
                try Program.run(
                    Self.layer + ["--overlap", "none"] + (process == 1 ? own : []),
                    environment: [
                        "RANK": "\(process)", "LOCAL_RANK": "\(process)", "WORLD_SIZE": "2",
                        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "\(port)",
                    ])
            }
        }
        let same = try run([]).map { try $0.get() }
        #expect(same.map(\.code) == [0, 0], "\(same)")
        #expect(same[0].output.contains("verified: yes") && same[1].output == "")
        // What differs is refused by name in both.
        for result in run(["--seed", "7"]) {
            let result = try result.get()
            #expect(result.code == 1)
            #expect(result.errors.contains("--seed is 7 in process 1"), "\(result.errors)")
        }
    }

    // MARK: Losses

    /// Points of a step at which a process is lost, spread over it and a little beyond.
    private static let points = (0..<12).map { Double($0) * 0.1 }

    /// The others end with one error that names it, and nothing is left.
    @Test(arguments: points[..<5])
    func othersStop(_ part: Double) throws {
        let lost = Int(part * 100) % 3
        let arguments =
            Self.without("--experts", Self.layer) + [
                "--experts", "6", "--processes", "3", "--overlap", "singleBatch,none", "--wait-limit", "1",
                "--lose-rank", "\(lost):kill:\(part)",
            ]
        try leavingNothing { environment in
            let result = try Program.run(arguments, environment: environment)
            #expect(result.code == 1, "\(Self.text(arguments, result))")
            #expect(result.errors.contains("process \(lost) was killed by signal 9"), "\(result.errors)")
            #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
        }
    }

    /// The others go on, and what they give is right without it.
    @Test(arguments: points[5...])
    func othersGoOn(_ part: Double) throws {
        let number = Int((part * 10).rounded())
        let lost = number % 3
        let way = ["kill", "stop", "5s"][number / 3 % 3]
        let arguments =
            Self.without("--experts", Self.layer) + [
                "--experts", "6", "--processes", "3", "--overlap", "singleBatch,direct", "--wait-limit", "1",
                "--on-failure", "mask", "--lose-rank", "\(lost):\(way):\(part - 0.5)", "--json",
            ]
        try leavingNothing { environment in
            let result = try Program.run(arguments, environment: environment)
            #expect(result.code == 0, "\(Self.text(arguments, result))")
            let report = try Report(result)
            #expect(report.verified && report.identical, "\(Self.text(arguments, result))")
            #expect(report.maskedRanks == [lost], "\(Self.text(arguments, result))")
        }
    }

    /// A pause that is shorter than waits are is none.
    @Test func slowProcessesAreNotLost() throws {
        let arguments =
            Self.layer + [
                "--processes", "2", "--overlap", "none", "--wait-limit", "20", "--on-failure", "mask", "--lose-rank",
                "1:0.5s:0.3", "--json",
            ]
        let report = try Report(Program.run(arguments))
        #expect(report.verified && report.maskedRanks == [])
    }

    /// One that is started again is taken in, and then outputs are those of all ranks.
    @Test(arguments: [1, 0], [[], ["--transport", "loopback"]])
    func lostProcessesComeBack(_ lost: Int, _ transport: [String]) throws {
        let alone = try Report(Program.run(Self.layer + ["--ranks", "2", "--overlap", "none", "--json"]))
        let arguments =
            Self.layer + [
                "--processes", "2", "--overlap", "none", "--wait-limit", "1", "--on-failure", "mask", "--restart",
                "--lose-rank", "\(lost):kill:0.4", "--json",
            ] + transport
        try leavingNothing { environment in
            let result = try Program.run(arguments, environment: environment)
            #expect(result.code == 0, "\(Self.text(arguments, result))")
            let report = try Report(result)
            #expect(report.verified && report.maskedRanks == [], "\(Self.text(arguments, result))")
            #expect(report.modes.last?.outputHashes == alone.modes[0].outputHashes)
        }
    }

    /// Whatever ends the launcher ends its processes.
    @Test(arguments: [SIGINT, SIGTERM, SIGKILL]) func launchersTakeProcessesAlong(_ signal: Int32) throws {
        try leavingNothing(files: signal != SIGKILL) { environment in
            let arguments =
                Self.without("--hidden", Self.layer) + ["--processes", "4", "--hidden", "2048", "--wait-limit", "60"]
            let result = try Program.interrupt(
                arguments, environment: environment, by: signal,
                once: { Self.processes(environment).count == 5 })
            #expect(result.code == 128 + signal, "\(Self.text(arguments, result))")
            #expect(result.output == "" && result.errors == "")
        }
    }

    // MARK: Help

    private static func without(_ option: String, _ arguments: [String]) -> [String] {
        guard let index = arguments.firstIndex(of: option) else { return arguments }
        return Array(arguments[..<index] + arguments[(index + 2)...])
    }

    private static let mark = "SWIFTEP_TEST_MARK"

    /// Processes that have inherited the variables of a test.
    private static func processes(_ environment: [String: String]) -> [String] {
        let wanted = Array("\(mark)=\(environment[mark] ?? "")\0".utf8)
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.filter { name in
            guard Int(name) != nil, let data = try? Data(contentsOf: URL(filePath: "/proc/\(name)/environ")) else {
                return false
            }
            return data.firstRange(of: Data(wanted)) != nil
        }
    }

    /// Runs `body` with variables, and sees that no process, file or shared memory is left of what it starts.
    private func leavingNothing(files: Bool = true, _ body: ([String: String]) throws -> Void) throws {
        try TemporaryFolder.with { folder in
            let environment = [Self.mark: "\(UInt64.random(in: 0 ... .max))", "TMPDIR": folder]
            try body(environment)
            // Those that die with the launcher take a moment.
            for _ in 0..<500 where !Self.processes(environment).isEmpty { usleep(10_000) }
            #expect(Self.processes(environment) == [])
            let shared = (try? FileManager.default.contentsOfDirectory(atPath: "/dev/shm")) ?? []
            #expect(shared.filter { $0.contains("swiftep") } == [])
            if files { #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == []) }
        }
    }
}
