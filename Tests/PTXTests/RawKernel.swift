import KernelLanguage

/// A kernel put together operation by operation, for forms that the builder would not write.
struct RawKernel {
    var name: String
    var threads = 128
    var clusterSize = 1
    var parameters = [
        Kernel.Parameter(name: "data", kind: .pointer(.uint32)), Kernel.Parameter(name: "map", kind: .tensorMap),
    ]
    private(set) var registerTypes: [ScalarType] = []
    private var body = Block()
    private var data = Operand.constant(0)
    private var scratch = Operand.constant(0)

    init(_ name: String) {
        self.name = name
        let data = register(.uint64)
        emit(.parameter(data, parameter: 0))
        let scratch = register(.uint32)
        emit(.sharedAddress(scratch, offset: 0))
        self.data = .register(data)
        self.scratch = .register(scratch)
    }

    mutating func register(_ type: ScalarType) -> Register {
        registerTypes.append(type)
        return Register(registerTypes.count - 1)
    }

    mutating func emit(_ op: Op) {
        body.instructions.append(Instruction(op, at: SourceLocation(file: "PTXTests/\(name)", line: 1)))
    }

    /// A valid address.
    func address(_ space: MemorySpace, offset: Int = 0) -> Address {
        Address(space == .global ? data : scratch, offset: offset)
    }

    /// A value that the assembler cannot know, or a constant.
    mutating func value(_ type: ScalarType, constant: Bool = false) -> Operand {
        if constant { return .constant(type == .float32 ? UInt64(Float(1.5).bitPattern) : 1) }
        let result = register(type)
        if type == .bool {
            emit(.compare(.equal, .uint32, result, value(.uint32), .constant(7)))
        } else {
            emit(.load(MemoryAccess(type, .global, order: .relaxed(.block)), [result], address(.global, offset: 64)))
        }
        return .register(result)
    }

    /// Keeps a result alive.
    mutating func use(_ result: Register) {
        var result = result
        if registerTypes[result.index] == .bool {
            let bit = register(.uint32)
            emit(.convert(bit, from: .bool, .register(result)))
            result = bit
        }
        let access = MemoryAccess(registerTypes[result.index], .global)
        emit(.store(access, [.register(result)], address(.global, offset: 128)))
    }

    var kernel: Kernel {
        Kernel(
            name: name, parameters: parameters, registerTypes: registerTypes, body: body, threads: threads,
            sharedBytes: 4096, clusterSize: clusterSize)
    }
}

/// Kernels for every form of a family of operations. Forms that the verifier forbids are left out, so that the
/// assembler judges exactly what the language allows.
struct Forms {
    let family: String
    private(set) var kernels: [Kernel] = []

    init(_ family: String) { self.family = family }

    /// Adds a kernel if it is valid, and says whether it is.
    @discardableResult
    mutating func add(_ body: (inout RawKernel) -> Void) -> Bool {
        var raw = RawKernel("\(family)_\(kernels.count)")
        body(&raw)
        let kernel = raw.kernel
        guard (try? kernel.verify()) != nil else { return false }
        kernels.append(kernel)
        return true
    }
}
