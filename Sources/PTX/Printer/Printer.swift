import KernelLanguage

/// Prints one kernel. The body is printed first, since the header declares the registers that it turned out to need.
struct Printer {
    let kernel: Kernel
    private let locations: LocationStyle
    /// The files that the printed lines are in, those of kernels before this one first.
    private(set) var files: SourceFiles
    private var body = ""
    private var location: SourceLocation?
    private var depth = 1
    private var labels = 0
    /// Names of the kernel's registers, by index.
    private var names: [String] = []
    /// Registers used so far, by class.
    private var counts = [Int](repeating: 0, count: RegisterClass.allCases.count)
    /// Labels behind the loops around the current operation, innermost last.
    var loopEnds: [String] = []
    /// Set up at the entry when some operation needs it: generic addresses of tensor maps by parameter number …
    private var tensorMaps: [Int: String] = [:]
    /// … and cache policies.
    private var policies: [CacheHint: String] = [:]

    init(_ kernel: Kernel, locations: LocationStyle, files: SourceFiles) {
        self.kernel = kernel
        self.locations = locations
        self.files = files
        names = kernel.registerTypes.map { newRegister($0) }
    }

    // MARK: Names

    /// A register that the kernel does not name.
    mutating func newRegister(_ type: ScalarType) -> String {
        let kind = RegisterClass(type)
        defer { counts[kind.rawValue] += 1 }
        return kind.prefix + String(counts[kind.rawValue])
    }

    func name(_ register: Register) -> String { names[register.index] }

    func type(_ register: Register) -> ScalarType { kernel.registerTypes[register.index] }

    mutating func newLabel(_ role: String) -> String {
        labels += 1
        return "$\(role)_\(labels)"
    }

    /// Name of a parameter; the prefix keeps it apart from instructions and types.
    func parameterName(_ number: Int) -> String { "param_" + kernel.parameters[number].name }

    /// Register with the generic address of a tensor map parameter.
    mutating func tensorMap(_ number: Int) -> String {
        if let known = tensorMaps[number] { return known }
        let register = newRegister(.uint64)
        tensorMaps[number] = register
        return register
    }

    /// Register with the cache policy for a hint about the L2; nil for other hints.
    mutating func policy(_ hint: CacheHint) -> String? {
        guard hint == .evictFirst || hint == .evictLast else { return nil }
        if let known = policies[hint] { return known }
        let register = newRegister(.uint64)
        policies[hint] = register
        return register
    }

    // MARK: Lines

    /// Appends an instruction, without its semicolon.
    mutating func emit(_ instruction: String) {
        line(instruction + ";", depth: depth)
    }

    mutating func label(_ name: String) { line(name + ":", depth: depth - 1) }

    private mutating func line(_ text: String, depth: Int) {
        for _ in 0..<depth { body += "    " }
        body += text
        body += "\n"
    }

    mutating func block(_ block: Block) {
        depth += 1
        for instruction in block.instructions { self.instruction(instruction) }
        depth -= 1
    }

    private mutating func instruction(_ instruction: Instruction) {
        if instruction.location != location && instruction.location.line > 0 { say(instruction.location) }
        location = instruction.location
        print(instruction.op)
    }

    /// Prints the location of the instructions that follow.
    private mutating func say(_ location: SourceLocation) {
        switch locations {
        case .none: break
        case .comments: line("// \(location)", depth: depth)
        case .directives: line(".loc \(files.number(of: location.file)) \(location.line) 0", depth: depth)
        }
    }

    // MARK: Entry

    mutating func entry() -> String {
        for instruction in kernel.body.instructions { self.instruction(instruction) }
        emit("ret")
        let printed = body
        body = ""
        setUp()
        return header() + "{\n" + declarations() + "\n" + body + printed + "}\n"
    }

    private mutating func setUp() {
        for (number, register) in tensorMaps.sorted(by: { $0.key < $1.key }) {
            emit("mov.b64 \(register), \(parameterName(number))")
            emit("cvta.param.u64 \(register), \(register)")
        }
        for (hint, register) in policies.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            let priority = hint == .evictFirst ? "evict_first" : "evict_last"
            emit("createpolicy.fractional.L2::\(priority).b64 \(register), 1.0")
        }
    }

    private func header() -> String {
        let parameters = kernel.parameters.enumerated().map { number, parameter in
            switch parameter.kind {
            case .scalar(let type): "    .param .\(type.bits) \(parameterName(number))"
            case .pointer: "    .param .b64 \(parameterName(number))"
            case .tensorMap: "    .param .align 64 .b8 \(parameterName(number))[128]"
            }
        }
        let list = parameters.isEmpty ? "()" : "(\n" + parameters.joined(separator: ",\n") + "\n)"
        // setmaxnreg needs a known number of registers at entry, which the bound of one block per multiprocessor gives.
        var text = ".visible .entry \(kernel.name)\(list)\n.reqntid \(kernel.threads), 1, 1\n.minnctapersm 1\n"
        if kernel.clusterSize > 1 { text += ".explicitcluster\n.reqnctapercluster \(kernel.clusterSize), 1, 1\n" }
        return text
    }

    private func declarations() -> String {
        RegisterClass.allCases.filter { counts[$0.rawValue] > 0 }
            .map { "    .reg .\($0.type) \($0.prefix)<\(counts[$0.rawValue])>;\n" }.joined()
    }
}
