import Accelerator
import Conformance
import Transport

/// `swiftep verify`
enum VerifyCommand {
    static let filter = Option<String>.text("filter", "TEXT", help: "Only cases whose name contains TEXT.")
    static let part = CasePart.option(
        help: "Of N parts of the cases only the Ith, to share them among processes or machines. Default: all.")
    static let list = Option<Bool>.flag("list", help: "Print the names of the cases instead of running them.")
    static let seed = Option<UInt64>.seed(help: "Seed of the simulator's schedule. Default: 1.")

    static let command = Command(
        name: "verify",
        summary: "Runs the conformance cases on a device.",
        discussion: [
            "The same cases are run on the simulator by the package's tests.",
            "With --processes, other cases are run: ranks that processes share give the bits of the same ranks in one "
                + "process.",
        ],
        options: [DeviceOptions.device, ProcessOptions.processes, filter, part, list, seed, CommonOptions.json],
        run: { arguments in
            try withProcesses(
                arguments, ranks: { processes, _ in processes }, seed: arguments[seed] ?? 1, longestWait: longestWait
            ) { try run(arguments, $0) }
        })

    /// Cases have limits of their own; these are the longest.
    private static let longestWait = 30.0

    private static func run(_ arguments: Arguments, _ processes: Processes) throws -> Int32 {
        if let group = processes.group { return try run(arguments, processes, group.rendezvous) }
        let device = processes.device
        let all = ConformanceSuite.cases(for: device.properties.kind)
        let named = all.filter { arguments[filter].map($0.name.contains) ?? true }
        guard !named.isEmpty else {
            throw UsageError.conflict(
                "no case's name contains '\(arguments[filter] ?? "")'; swiftep verify --list prints all "
                    + "\(all.count)"
            )
        }
        let cases = try part(arguments, of: named)
        if arguments[list] {
            if arguments[CommonOptions.json] {
                try Console.json(cases.map(\.name))
            } else {
                for conformanceCase in cases { try Console.result(conformanceCase.name) }
            }
            return 0
        }
        return try run(cases, on: device, json: arguments[CommonOptions.json])
    }

    /// Runs the cases for several processes; the first of them reports the results.
    private static func run(_ arguments: Arguments, _ processes: Processes, _ rendezvous: Rendezvous) throws -> Int32 {
        let device = processes.device
        let named = processCases(for: device.properties.kind, processes: processes.count)
            .filter { arguments[filter].map($0.name.contains) ?? true }
        guard !named.isEmpty else {
            throw UsageError.conflict("no case for processes has a name that contains '\(arguments[filter] ?? "")'")
        }
        let cases = try part(arguments, of: named)
        var report = VerifyReport(device: device.properties.name)
        for processCase in cases where !arguments[list] {
            processes.progress(processCase.name)
            // A process that fails ends, and takes the others along.
            let clock = ContinuousClock()
            let start = clock.now
            try processCase.run(rendezvous, on: device)
            let result = VerifyReport.Case(passed: processCase.name, seconds: seconds(clock.now - start))
            report.cases.append(result)
            if processes.isFirst, !arguments[CommonOptions.json] { try Console.result(result.text) }
        }
        guard processes.isFirst else { return 0 }
        if arguments[list] {
            for processCase in cases { try Console.result(processCase.name) }
        } else if arguments[CommonOptions.json] {
            try Console.json(report)
        } else {
            try Console.result("\(report.passed) passed in \(processes.count) processes")
        }
        return 0
    }

    /// The cases of the part that was asked for.
    private static func part<Case>(_ arguments: Arguments, of cases: [Case]) throws(UsageError) -> [Case] {
        guard let part = arguments[part] else { return cases }
        let found = part.cases(of: cases)
        guard !found.isEmpty else { throw part.emptyError(of: cases.count, "cases") }
        return found
    }

    /// Runs all cases, also after failures; returns the exit code.
    private static func run(_ cases: [ConformanceCase], on device: any Device, json: Bool) throws -> Int32 {
        var report = VerifyReport(device: device.properties.name)
        for (index, conformanceCase) in cases.enumerated() {
            Console.progress("\(index + 1) of \(cases.count): \(conformanceCase.name)")
            let result = VerifyReport.Case(conformanceCase, on: device)
            report.cases.append(result)
            if !json { try Console.result(result.text) }
        }
        if json {
            try Console.json(report)
        } else {
            try Console.result("\(report.passed) passed, \(report.failed) failed")
        }
        return report.failed == 0 ? 0 : 1
    }
}
