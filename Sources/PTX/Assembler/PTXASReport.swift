/// The report of `ptxas -v` on a module.
public struct PTXASReport: Hashable, Sendable {
    /// One entry per kernel, in the order in which the assembler names them.
    public var kernels: [KernelUsage]
    /// Warnings and remarks that the assembler changed or serialised something, without the tool's prefix.
    public var warnings: [String]

    /// Resources of one kernel.
    public struct KernelUsage: Hashable, Sendable {
        /// Entry name.
        public var name: String
        /// Registers per thread.
        public var registers = 0
        /// Named barriers.
        public var barriers = 0
        /// Bytes of local memory per thread for the stack.
        public var stackBytes = 0
        /// Bytes per thread of stores that spill registers.
        public var spillStoreBytes = 0
        /// Bytes per thread of loads that bring spilled registers back.
        public var spillLoadBytes = 0
        /// Bytes of static shared memory per block; dynamic shared memory, which the launch asks for, comes on top.
        public var sharedBytes = 0
    }

    /// Reads the assembler's output. Lines that it does not know are skipped.
    public init(parsing output: String) {
        kernels = []
        warnings = []
        for line in output.split(whereSeparator: \.isNewline) {
            if let name = PTXASReport.entryName(line) {
                kernels.append(KernelUsage(name: name))
            } else if let warning = PTXASReport.warning(line) {
                warnings.append(warning)
            } else if !kernels.isEmpty {
                PTXASReport.read(line, into: &kernels[kernels.count - 1])
            }
        }
    }

    /// The kernel with this name.
    public func usage(of kernel: String) -> KernelUsage? { kernels.first { $0.name == kernel } }

    /// Remarks with a number, such as `ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions
    /// are serialized …`, are warnings in all but their prefix.
    private static func warning(_ line: Substring) -> String? {
        if let remark = line.firstRange(of: ": (C") { return String(line[remark.lowerBound...].dropFirst(2)) }
        // `warning : text`; a kernel may have the word in its name.
        guard let word = line.firstRange(of: "warning") else { return nil }
        let rest = line[word.upperBound...].drop { $0 == " " }
        return rest.first == ":" ? String(rest.dropFirst().drop { $0 == " " }) : nil
    }

    private static func entryName(_ line: Substring) -> String? {
        guard line.contains("Compiling entry function") else { return nil }
        let parts = line.split(separator: "'", omittingEmptySubsequences: false)
        return parts.count > 1 ? String(parts[1]) : nil
    }

    /// Numbers stand before the words that say what they count.
    private static func read(_ line: Substring, into usage: inout KernelUsage) {
        for clause in line.split(separator: ",") {
            let words = clause.split(separator: " ")
            guard let position = words.firstIndex(where: { Int($0) != nil }), let number = Int(words[position]) else {
                continue
            }
            switch words[(position + 1)...].joined(separator: " ") {
            case "registers": usage.registers = number
            case "barriers": usage.barriers = number
            case "bytes stack frame": usage.stackBytes = number
            case "bytes spill stores": usage.spillStoreBytes = number
            case "bytes spill loads": usage.spillLoadBytes = number
            case "bytes smem": usage.sharedBytes = number
            default: break
            }
        }
    }
}
