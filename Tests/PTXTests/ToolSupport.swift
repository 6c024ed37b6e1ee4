import PTX
import Testing

/// The assembler, where the tests find it.
enum Tool {
    /// The package's folder: the parent of `Tests`.
    private static let package = String("\(#filePath)".split(separator: "/Tests/PTXTests/")[0])
    private static let found = Result { () throws(AssemblerError) in try Assembler.find(from: package) }

    static var isAvailable: Bool { (try? found.get()) != nil }
    static func assemble(_ text: String) throws -> PTXASReport { try found.get().assemble(text) }
}

extension Trait where Self == ConditionTrait {
    /// Skips the test where there is no `ptxas`.
    static var needsAssembler: Self {
        .enabled(
            if: Tool.isAvailable,
            "no ptxas in SWIFTEP_PTXAS, PATH or .build/ptxas; pip install nvidia-cuda-nvcc==13.0.88 brings one")
    }
}
