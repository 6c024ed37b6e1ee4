import KernelLanguage

/// A PTX translation unit for Hopper (`sm_90a`) with one entry per kernel.
///
/// The text is deterministic: equal kernels give equal text. Kernels are expected to have passed `Kernel.verify()`;
/// what an operation's type rule forbids is printed in a form that the assembler rejects.
public struct PTXModule: Sendable {
    /// The PTX text.
    public let text: String

    /// Name of the dynamic shared memory that all kernels of a module share; a kernel uses `Kernel.sharedBytes` of it.
    static let sharedMemory = "dynamic_shared"

    /// Prints kernels into one module.
    ///
    /// - Parameters:
    ///   - kernels: Printed in this order; their names must differ.
    ///   - locations: How lines of Swift are named.
    public init(_ kernels: [Kernel], locations: LocationStyle = .comments) {
        // PTX 8.3 (CUDA 12.3) has everything that is printed here; newer drivers accept it.
        var text = ".version 8.3\n.target sm_90a\n.address_size 64\n\n"
        if kernels.contains(where: { $0.sharedBytes > 0 }) {
            // 1024: where the 128-byte swizzle of tensor copies and matrix descriptors repeats.
            text += ".extern .shared .align 1024 .b8 \(PTXModule.sharedMemory)[];\n\n"
        }
        let functions = kernels.reduce(into: Set<NetworkFunction>()) { $0.formUnion($1.networkFunctions) }
        if !functions.isEmpty {
            text += NetworkFunction.allCases.filter(functions.contains).map(\.declaration).joined() + "\n"
        }
        var files = SourceFiles()
        text += kernels.map { kernel in
            var printer = Printer(kernel, locations: locations, files: files)
            defer { files = printer.files }
            return printer.entry()
        }.joined(separator: "\n")
        self.text = text + files.directives
    }
}

extension Kernel {
    /// The kernel as a PTX module of its own.
    ///
    /// - Parameter locations: How lines of Swift are named.
    public func ptx(locations: LocationStyle = .comments) -> String { PTXModule([self], locations: locations).text }
}
