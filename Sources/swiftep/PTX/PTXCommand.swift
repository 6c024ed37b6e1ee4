import ExpertKernels
import KernelLanguage
import PTX

/// `swiftep ptx`
enum PTXCommand {
    static let tokens = Option<Int>.integer("tokens", in: 1...4_096, help: "Most tokens of a rank. Default: 128.")
    static let list = Option<Bool>.flag("list", help: "Print the kernels' names.")
    static let lines = Option<Bool>.flag(
        "lines",
        help: "Name lines of Swift by .loc directives, as ptxas --generate-line-info reads them, instead of comments.")
    static let report = Option<Bool>.flag(
        "report",
        help:
            "Assemble the kernels with ptxas and print what they need; the exit code is 1 if one spills registers or "
            + "ptxas warns.")

    static let command = Command(
        name: "ptx",
        summary: "Prints kernels as PTX, or what ptxas says about them.",
        discussion: [
            "Without KERNEL all kernels of the layer are printed as one module. They are built for "
                + "\(ShapeOptions.Defaults.deepSeekV3.model), \(ShapeOptions.Defaults.deepSeekV3.ranks) ranks and 128 "
                + "tokens unless other sizes are given.",
            "ptxas needs no GPU. It is looked for where \(Assembler.variable) says, in PATH, and in .build/ptxas; "
                + "'pip download --no-deps nvidia-cuda-nvcc==13.0.88' fetches a wheel, a zip file, that has it as "
                + "nvidia/cu13/bin/ptxas.",
            "Programs that use a GPU load kernels with their lines if SWIFTEP_LINES is 1 in the environment: then "
                + "compute-sanitizer and Nsight Compute show lines of Swift.",
        ],
        positionals: [.init(name: "KERNEL", help: "Name of a kernel, as --list prints it.", required: false)],
        options: [list, lines, report] + ShapeOptions.model + [ShapeOptions.ranks, tokens, CommonOptions.json],
        run: { arguments in
            let kernels = try selected(arguments)
            if arguments[report] { return try printReport(kernels, json: arguments[CommonOptions.json]) }
            if arguments[list] {
                if arguments[CommonOptions.json] {
                    try Console.json(kernels.map(\.name))
                } else {
                    for kernel in kernels { try Console.result(kernel.name) }
                }
                return 0
            }
            guard !arguments[CommonOptions.json] else {
                throw UsageError.conflict("--json goes with --list or --report; PTX is printed as text")
            }
            try Console.result(PTXModule(kernels, locations: arguments[lines] ? .directives : .comments).text)
            return 0
        })

    /// All kernels of the shape, or the one that was named.
    private static func selected(_ arguments: Arguments) throws -> [Kernel] {
        let shape = try ShapeOptions.shape(arguments, .deepSeekV3, tokens: arguments[tokens] ?? 128)
        let kernels =
            try KernelCatalogue(shape).kernels
            + StreamDirection.allCases.map { try streamKernel($0) }
        guard let name = arguments.positionals.first else { return kernels }
        guard let kernel = kernels.first(where: { $0.name == name }) else {
            let guess = nearest(to: name, among: kernels.map(\.name)).map { "did you mean '\($0)'? " } ?? ""
            throw UsageError.conflict(
                "there is no kernel '\(name)' for this shape; \(guess)swiftep ptx --list prints the names")
        }
        return [kernel]
    }

    private static func printReport(_ kernels: [Kernel], json: Bool) throws -> Int32 {
        let assembler = try Assembler.find()
        let reports = try kernels.map { kernel in
            Console.progress("assembling \(kernel.name)")
            return try KernelReport(kernel, assembler)
        }
        if json {
            try Console.json(reports)
        } else {
            try Console.result(KernelReport.text(reports))
        }
        return reports.allSatisfy(\.isClean) ? 0 : 1
    }
}
