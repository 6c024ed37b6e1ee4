/// The arguments of a launch, by the names of the parameters that they are for.
public struct KernelArguments: Sendable {
    private var entries: [(name: String, kind: Kernel.Parameter.Kind, argument: KernelArgument)] = []

    /// The arguments in packs that the host has filled; nil for a pack that the kernel does not have.
    public init(_ packs: [(any KernelParameters)?]) {
        for pack in packs.compactMap({ $0 }) { add(pack) }
    }

    private mutating func add(_ pack: any KernelParameters) {
        for (label, value) in Mirror(reflecting: pack).children {
            if let parameter = value as? any PackedParameter, let label {
                guard case .argument(let argument) = parameter.content else { continue }
                entries.append((label, parameter.kind, argument))
            } else if let nested = value as? any KernelParameters {
                add(nested)
            }
        }
    }

    /// The arguments in the order in which `kernel` has its parameters.
    ///
    /// - Throws: `KernelArgumentError` for a parameter that has no argument, two of them, or one of another type, and
    ///   for an argument that no parameter wants.
    public func ordered(for kernel: Kernel) throws(KernelArgumentError) -> [KernelArgument] {
        var byName: [String: (kind: Kernel.Parameter.Kind, argument: KernelArgument)] = [:]
        for entry in entries {
            guard byName.updateValue((entry.kind, entry.argument), forKey: entry.name) == nil else {
                throw .repeated(kernel: kernel.name, name: entry.name)
            }
        }
        var result: [KernelArgument] = []
        for parameter in kernel.parameters {
            guard let found = byName.removeValue(forKey: parameter.name) else {
                throw .missing(kernel: kernel.name, name: parameter.name)
            }
            guard found.kind == parameter.kind else {
                throw .kind(
                    kernel: kernel.name, name: parameter.name, expected: "\(parameter.kind)", given: "\(found.kind)")
            }
            result.append(found.argument)
        }
        if let name = byName.keys.min() { throw .unknown(kernel: kernel.name, name: name) }
        return result
    }
}

/// Arguments that do not match the parameters of a kernel.
public enum KernelArgumentError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A parameter has no argument.
    case missing(kernel: String, name: String)
    /// An argument is for no parameter.
    case unknown(kernel: String, name: String)
    /// Two packs have an argument of the same name.
    case repeated(kernel: String, name: String)
    /// An argument is of another type than its parameter.
    case kind(kernel: String, name: String, expected: String, given: String)

    /// One sentence with the kernel, the name and the remedy.
    public var description: String {
        switch self {
        case .missing(let kernel, let name):
            "kernel \(kernel) has a parameter \(name) and no argument of this name; add the pack that declares it"
        case .unknown(let kernel, let name):
            "kernel \(kernel) has no parameter \(name); leave its pack out"
        case .repeated(let kernel, let name):
            "two arguments for kernel \(kernel) have the name \(name); give each parameter one"
        case .kind(let kernel, let name, let expected, let given):
            "parameter \(name) of kernel \(kernel) is \(expected), and its argument \(given); use the pack that the kernel declares"
        }
    }
}
