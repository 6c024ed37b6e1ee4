import KernelLanguage

/// The functions that a module with network operations calls and does not define. A shim for an adapter defines them,
/// in a module that a linker joins with it, by the C ABI of device code: `extern "C" __device__`.
///
/// All take the context (64 bits), the peer and the channel (32 bits each) first. Addresses are global ones, in 64
/// bits. A thread calls for itself. Before the call it has released at system scope.
public enum NetworkFunction: String, CaseIterable, Sendable {
    /// Target, source, bytes (32 bits).
    case put
    /// As `put`, then the signal's word and the value to add to it (64 bits each).
    case putAdd = "put_add"
    /// As `putAdd`, but sets the word. Kernels of this package do not call it, and shims may leave it out.
    case putSet = "put_set"
    /// Word, and the value to add to it (64 bits each).
    case add
    /// Target and value (64 bits each).
    case putWord = "put_word"
    /// Nothing more. Returns 32 bits: not 0 if the sources of the rank's puts to the peer on the channel may be
    /// overwritten.
    case flush

    /// Name of the function.
    public var name: String { "swiftep_network_\(rawValue)" }

    /// The declaration that a module needs before it calls it.
    var declaration: String {
        let result = self == .flush ? "(.param .b32 result) " : ""
        let parameters = (["b64", "b32", "b32"] + operands).enumerated().map { ".param .\($1) p\($0)" }
        return ".extern .func \(result)\(name) (\(parameters.joined(separator: ", ")));\n"
    }

    private var operands: [String] {
        switch self {
        case .put: ["b64", "b64", "b32"]
        case .putAdd, .putSet: ["b64", "b64", "b32", "b64", "b64"]
        case .add, .putWord: ["b64", "b64"]
        case .flush: []
        }
    }
}

extension Kernel {
    /// The functions that its network operations call.
    public var networkFunctions: Set<NetworkFunction> { body.networkFunctions }

    /// Whether its module has to be joined with a network adapter's shim before it can be loaded.
    public var needsNetwork: Bool { !networkFunctions.isEmpty }
}

extension Block {
    fileprivate var networkFunctions: Set<NetworkFunction> {
        instructions.reduce(into: []) { functions, instruction in
            switch instruction.op {
            case .if(_, let then, let otherwise):
                functions.formUnion(then.networkFunctions)
                functions.formUnion(otherwise.networkFunctions)
            case .loop(let body): functions.formUnion(body.networkFunctions)
            case .network(let operation): functions.insert(operation.function)
            default: break
            }
        }
    }
}

extension NetworkOperation {
    fileprivate var function: NetworkFunction {
        switch self {
        case .put(_, _, _, _, let signal): signal.map { $0.action == .add ? .putAdd : .putSet } ?? .put
        case .add: .add
        case .putWord: .putWord
        case .flush: .flush
        }
    }
}
