/// The arguments of a kernel that is launched again and again, a few of them with other values each time. Gathering the
/// rest once keeps launches cheap.
public struct LaunchArguments: Sendable {
    /// In the order in which the kernel has its parameters.
    public private(set) var ordered: [KernelArgument]
    private let kernel: Kernel
    private let places: [String: Int]

    /// The arguments in packs that the host has filled; nil for a pack that the kernel does not have.
    ///
    /// - Throws: `KernelArgumentError` unless they match the kernel's parameters.
    public init(_ packs: [(any KernelParameters)?], for kernel: Kernel) throws(KernelArgumentError) {
        ordered = try KernelArguments(packs).ordered(for: kernel)
        self.kernel = kernel
        places = Dictionary(
            kernel.parameters.enumerated().map { ($0.element.name, $0.offset) }, uniquingKeysWith: { first, _ in first }
        )
    }

    /// The same with other arguments for some parameters, by name.
    ///
    /// - Throws: `KernelArgumentError.unknown` for a name that no parameter has.
    public func changing(_ changes: [(name: String, argument: KernelArgument)]) throws(KernelArgumentError)
        -> [KernelArgument]
    {
        var result = ordered
        for change in changes {
            guard let place = places[change.name] else { throw .unknown(kernel: kernel.name, name: change.name) }
            result[place] = change.argument
        }
        return result
    }
}
