/// Builds a kernel: each call appends operations to the block being built.
///
/// ```swift
/// let kernel = try KernelBuilder.build("scale", threads: 128) { k in
///     let x = k.pointerParameter("x", to: Float.self)
///     let index = k.blockIndex * 128 + k.threadIndex
///     k.store(k.load(x + index) * 2, to: x + index)
/// }
/// ```
public final class KernelBuilder {
    private(set) var registerTypes: [ScalarType] = []
    private(set) var parameters: [Kernel.Parameter] = []
    /// The register that holds each parameter; nil for tensor maps.
    private var parameterRegisters: [Operand?] = []
    private(set) var sharedBytes = 0
    private var blocks: [Block] = [Block()]
    private var location = SourceLocation(file: "", line: 0)
    /// Geometry that was read before, so that each special register is read once per block of code.
    private var specials: [[SpecialRegister: Register]] = [[:]]
    /// Threads per block.
    public let threads: Int
    /// The trace of a traced kernel.
    private(set) var trace: Trace?

    private init(threads: Int) { self.threads = threads }

    /// Runs `body` to build a kernel and verifies it.
    ///
    /// - Parameters:
    ///   - name: Entry name, a C identifier.
    ///   - threads: Threads per block, a multiple of 32 up to 1024.
    ///   - clusterSize: Blocks per cluster, 1 to 8.
    ///   - body: Runs once, on the host, and appends the operations.
    /// - Throws: `VerificationError` naming the faulty operation, its operands and its source line.
    public static func build(
        _ name: String, threads: Int, clusterSize: Int = 1, _ body: (KernelBuilder) -> Void
    ) throws(VerificationError) -> Kernel {
        let builder = KernelBuilder(threads: threads)
        if isTracing {
            builder.buildTraced(body)
        } else {
            body(builder)
        }
        let kernel = Kernel(
            name: isTracing ? name + "_traced" : name, parameters: builder.parameters,
            registerTypes: builder.registerTypes, body: builder.blocks[0],
            threads: threads, sharedBytes: builder.sharedBytes, clusterSize: clusterSize)
        try kernel.verify()
        return kernel
    }

    private func buildTraced(_ body: (KernelBuilder) -> Void) {
        let parameters = parameters(TraceParameters.self)
        trace = Trace(events: parameters.trace, label: parameters.traceLabel)
        let start = globalTimer
        body(self)
        `if`(isFirstThread) { note(.block, from: start, constant(UInt32(0)), constant(UInt32(0))) }
    }

    // MARK: Emitting

    func newRegister(_ type: ScalarType) -> Register {
        registerTypes.append(type)
        return Register(registerTypes.count - 1)
    }

    /// Appends an operation at the line of the last located call.
    func emit(_ op: Op) {
        blocks[blocks.count - 1].instructions.append(Instruction(op, at: location))
    }

    /// Appends an operation at `line` of `file`.
    func emit(_ op: Op, _ file: StaticString, _ line: Int) {
        at(file, line)
        emit(op)
    }

    /// Later operations without a line of their own carry this one.
    func at(_ file: StaticString, _ line: Int) {
        if location.line != line || location.file != "\(file)" {
            location = SourceLocation(file: "\(file)", line: line)
        }
    }

    func nested(_ body: () -> Void) -> Block {
        blocks.append(Block())
        specials.append([:])
        body()
        specials.removeLast()
        return blocks.removeLast()
    }

    func emitting<T: Scalar>(_ type: T.Type, _ op: (Register) -> Op) -> Value<T> {
        let result = newRegister(T.scalarType)
        emit(op(result))
        return Value<T>(.register(result), self)
    }

    /// The value of a special register that does not change while a thread runs.
    func constantSpecial(_ special: SpecialRegister) -> Value<UInt32> {
        for known in specials {
            if let register = known[special] { return Value(.register(register), self) }
        }
        let value = emitting(UInt32.self) { .special($0, special) }
        if case .register(let register) = value.operand { specials[specials.count - 1][special] = register }
        return value
    }

    // MARK: Parameters and shared memory

    /// Declares one more parameter, and reads it unless it is a tensor map. Returns its number.
    func declare(_ parameter: Kernel.Parameter) -> Int {
        parameters.append(parameter)
        let number = parameters.count - 1
        let type: ScalarType? =
            switch parameter.kind {
            case .scalar(let type): type
            case .pointer: .uint64
            case .tensorMap: nil
            }
        parameterRegisters.append(
            type.map { type in
                let register = newRegister(type)
                emit(.parameter(register, parameter: number))
                return .register(register)
            })
        return number
    }

    /// The value of parameter `number`, which is no tensor map.
    func parameterValue<T: Scalar>(_ number: Int) -> Value<T> {
        guard let operand = parameterRegisters[number] else { preconditionFailure("a tensor map has no value") }
        return Value(operand, self)
    }

    /// A parameter of the kernel, passed by value. Kernels with more than a few have `KernelParameters`.
    public func parameter<T: ArithmeticScalar>(_ name: String, _ type: T.Type) -> Value<T> {
        parameterValue(declare(Kernel.Parameter(name: name, kind: .scalar(T.scalarType))))
    }

    /// A parameter that points at elements in global memory.
    public func pointerParameter<T: Scalar>(_ name: String, to type: T.Type) -> Pointer<T> {
        Pointer(bits: parameterValue(declare(Kernel.Parameter(name: name, kind: .pointer(T.scalarType)))))
    }

    /// A tensor map parameter.
    public func tensorMapParameter(_ name: String) -> TensorMapParameter {
        TensorMapParameter(number: declare(Kernel.Parameter(name: name, kind: .tensorMap)))
    }

    /// Room for `count` elements in the block's shared memory, at a multiple of `alignment` bytes.
    public func shared<T: Scalar>(_ type: T.Type, count: Int, alignment: Int = 16) -> SharedPointer<T> {
        let offset = (sharedBytes + alignment - 1) / alignment * alignment
        sharedBytes = offset + count * T.scalarType.bytes
        let base = emitting(UInt32.self) { .sharedAddress($0, offset: offset) }
        return SharedPointer(Address(base.operand), self)
    }

    // MARK: Values

    /// A constant.
    public func constant(_ value: UInt32) -> Value<UInt32> { Value(.constant(UInt64(value)), self) }
    /// A constant.
    public func constant(_ value: Int32) -> Value<Int32> { Value(.constant(UInt64(UInt32(bitPattern: value))), self) }
    /// A constant.
    public func constant(_ value: UInt64) -> Value<UInt64> { Value(.constant(value), self) }
    /// A constant.
    public func constant(_ value: Float) -> Value<Float> { Value(.constant(UInt64(value.bitPattern)), self) }
    /// A constant.
    public func constant(_ value: Bool) -> Value<Bool> { Value(.constant(value ? 1 : 0), self) }

    /// A variable that starts as `initial`.
    public func variable<T: Scalar>(_ initial: Value<T>) -> Variable<T> {
        let register = newRegister(T.scalarType)
        emit(.move(register, initial.operand))
        return Variable(register: register, builder: self)
    }
}

/// A tensor map that was passed as a parameter.
public struct TensorMapParameter: Hashable, Sendable {
    /// Number of the parameter.
    public let number: Int
}
