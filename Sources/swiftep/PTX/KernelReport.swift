import KernelLanguage
import PTX

/// The resources of one kernel, according to ptxas.
struct KernelReport: Encodable {
    let kernel: String
    let threads: Int
    let sharedBytes: Int
    let registers: Int
    let spillBytes: Int
    let warnings: [String]

    /// Assembles the kernel. Throws `AssemblerError`.
    init(_ kernel: Kernel, _ assembler: Assembler) throws(AssemblerError) {
        let report = try assembler.assemble(kernel.ptx(locations: .none))
        guard let usage = report.usage(of: kernel.name) else {
            throw .rejected(messages: "the output says nothing about the kernel \(kernel.name)", excerpt: nil)
        }
        self.kernel = kernel.name
        threads = kernel.threads
        sharedBytes = kernel.sharedBytes
        registers = usage.registers
        spillBytes = usage.spillStoreBytes + usage.spillLoadBytes
        warnings = report.warnings
    }

    /// Whether nothing spills and the assembler gives no warnings.
    var isClean: Bool { spillBytes == 0 && warnings.isEmpty }

    /// A table, the warnings, and a closing line.
    static func text(_ reports: [KernelReport]) -> String {
        var table = Table([
            ("kernel", .left), ("threads", .right), ("shared bytes", .right), ("registers", .right),
            ("spill bytes", .right),
        ])
        for report in reports {
            table.add([
                report.kernel, "\(report.threads)", "\(report.sharedBytes)", "\(report.registers)",
                "\(report.spillBytes)",
            ])
        }
        var lines = [table.description]
        for report in reports {
            lines += report.warnings.map { "\(report.kernel): \($0)" }
        }
        let unclean = reports.count { !$0.isClean }
        lines.append(
            unclean == 0
                ? "\(reports.count) kernels assemble without spills and warnings"
                : "\(unclean) of \(reports.count) kernels spill registers or have warnings")
        return lines.joined(separator: "\n")
    }
}
