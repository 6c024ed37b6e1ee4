import KernelLanguage

/// Turns the structured operations of a kernel into a flat list of steps with jump targets.
struct Decoder {
    let kernel: Kernel
    let places: RegisterPlaces
    private(set) var steps: [Step] = []
    private(set) var locations: [SourceLocation] = []
    /// What each step is to a judge, and the places of the registers that it writes and then reads.
    private(set) var aspects: [StepAspect] = []
    private(set) var touched: [TouchedPlaces] = []
    /// Number of each step's operation, as mutations number them.
    private(set) var operations: [Int] = []
    /// Bytes of the constants, laid out like registers.
    private(set) var constants: [UInt8] = []
    private(set) var lists: [Int32] = []
    private(set) var numbers: [Int] = []
    private(set) var multiplies: [MultiplyPlan] = []
    private(set) var deepest = 0

    /// A jump target that is not known before the steps up to it are.
    struct Label: Hashable {
        let index: Int
    }

    private struct ConstantKey: Hashable {
        let bits: UInt64
        let size: Int
    }

    private var constantPlaces: [ConstantKey: Int32] = [:]
    private var targets: [Int] = []
    private var jumps: [(step: Int, label: Label)] = []
    private var location = SourceLocation(file: "", line: 0)
    private var aspect = StepAspect.ordinary
    private var touching = TouchedPlaces()
    private var operation = 0
    private var operationCount = 0
    /// Level of nesting.
    var level = 0
    /// Level of the innermost loop's body.
    var loopLevel = 0
    /// Where lanes that are left go when the running ones have left the current block.
    var end = Label(index: 0)

    private init(_ kernel: Kernel) {
        self.kernel = kernel
        places = RegisterPlaces(kernel)
    }

    static func decode(_ kernel: Kernel) -> Decoder {
        var decoder = Decoder(kernel)
        decoder.location = kernel.body.instructions.last?.location ?? decoder.location
        decoder.end = decoder.makeLabel()
        decoder.decode(kernel.body)
        decoder.define(decoder.end)
        decoder.aspect = .end
        decoder.emit(ControlHandlers.end)
        for (step, label) in decoder.jumps { decoder.steps[step].x = decoder.targets[label.index] }
        return decoder
    }

    mutating func decode(_ block: Block) {
        for instruction in block.instructions {
            location = instruction.location
            operation = operationCount
            operationCount += 1
            aspect = StepAspect(instruction.op)
            touching = TouchedPlaces(
                places: instruction.op.results.map { place($0) }
                    + instruction.op.operands.compactMap { operand in
                        if case .register(let register) = operand { place(register) } else { nil }
                    }, writes: instruction.op.results.count)
            decode(instruction.op)
            aspect = .ordinary
            touching = TouchedPlaces()
        }
    }

    // Emitting

    mutating func emit(
        _ handler: @escaping StepHandler, d: Int32 = 0, a: Int32 = 0, b: Int32 = 0, c: Int32 = 0, x: Int = 0,
        y: Int = 0,
        z: Int = 0
    ) {
        steps.append(Step(handler: handler, d: d, a: a, b: b, c: c, x: x, y: y, z: z))
        locations.append(location)
        aspects.append(aspect)
        touched.append(touching)
        operations.append(operation)
    }

    /// Emits a step whose `x` is a jump target.
    mutating func emit(_ handler: @escaping StepHandler, to label: Label, a: Int32 = 0, y: Int = 0, z: Int = 0) {
        jumps.append((steps.count, label))
        emit(handler, a: a, y: y, z: z)
    }

    mutating func makeLabel() -> Label {
        targets.append(0)
        return Label(index: targets.count - 1)
    }

    mutating func define(_ label: Label) { targets[label.index] = steps.count }

    mutating func nested(end newEnd: Label, isLoop: Bool = false, _ block: Block) {
        let (oldEnd, oldLoop, outer) = (end, loopLevel, operation)
        end = newEnd
        level += 1
        deepest = max(deepest, level)
        if isLoop { loopLevel = level }
        decode(block)
        level -= 1
        (end, loopLevel, operation) = (oldEnd, oldLoop, outer)
    }

    // Operands

    func place(_ register: Register) -> Int32 { places.offsets[register.index] }

    func type(_ register: Register) -> ScalarType { kernel.registerTypes[register.index] }

    /// Where the operand's lanes are: a register's offset, or the complement of a constant's.
    mutating func place(_ operand: Operand, _ type: ScalarType) -> Int32 {
        switch operand {
        case .register(let register): place(register)
        case .constant(let bits): constant(bits, RegisterPlaces.size(type))
        }
    }

    private mutating func constant(_ bits: UInt64, _ size: Int) -> Int32 {
        let key = ConstantKey(bits: bits, size: size)
        if let place = constantPlaces[key] { return place }
        let place = ~Int32(constants.count)
        switch size {
        case 4: append(bits == 0 ? 0 : UInt32.max, count: 4)
        case 256: append(bits, count: 32)
        default: append(UInt32(truncatingIfNeeded: bits), count: 32)
        }
        constantPlaces[key] = place
        return place
    }

    private mutating func append<T: FixedWidthInteger>(_ value: T, count: Int) {
        for _ in 0..<count { withUnsafeBytes(of: value) { constants.append(contentsOf: $0) } }
    }

    /// Starts a list of places.
    mutating func list(_ places: [Int32]) -> Int {
        lists.append(contentsOf: places)
        return lists.count - places.count
    }

    mutating func list(_ values: [Int]) -> Int {
        numbers.append(contentsOf: values)
        return numbers.count - values.count
    }

    mutating func plan(_ plan: MultiplyPlan) -> Int {
        multiplies.append(plan)
        return multiplies.count - 1
    }
}

/// The registers of a step: first those that it writes.
struct TouchedPlaces {
    var places: [Int32] = []
    var writes = 0

    var results: ArraySlice<Int32> { places[..<writes] }
}
