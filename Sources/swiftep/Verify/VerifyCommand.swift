import Accelerator
import Conformance

/// `swiftep verify`
enum VerifyCommand {
    static let filter = Option<String>.text("filter", "TEXT", help: "Only cases whose name contains TEXT.")
    static let list = Option<Bool>.flag("list", help: "Print the names of the cases instead of running them.")
    static let seed = Option<UInt64>.seed(help: "Seed of the simulator's schedule. Default: 1.")

    static let command = Command(
        name: "verify",
        summary: "Runs the conformance cases on a device.",
        discussion: ["The same cases are run on the simulator by the package's tests."],
        options: [DeviceOptions.device, filter, list, seed, CommonOptions.json],
        run: { arguments in
            let device = try DeviceOptions.open(arguments, seed: arguments[seed] ?? 1)
            let all = ConformanceSuite.cases(for: device.properties.kind)
            let cases = all.filter { arguments[filter].map($0.name.contains) ?? true }
            guard !cases.isEmpty else {
                throw UsageError.conflict(
                    "no case's name contains '\(arguments[filter] ?? "")'; swiftep verify --list prints all "
                        + "\(all.count)"
                )
            }
            if arguments[list] {
                if arguments[CommonOptions.json] {
                    try Console.json(cases.map(\.name))
                } else {
                    for conformanceCase in cases { try Console.result(conformanceCase.name) }
                }
                return 0
            }
            return try run(cases, on: device, json: arguments[CommonOptions.json])
        })

    /// Runs all cases, also after failures; gives the exit code.
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
