extension Kernel {
    /// The digest that tells this kernel from others, wherever they were built; names do not. Takes time in proportion
    /// to the kernel's size.
    public var digest: KernelDigest {
        var digester = Digester()
        digester.put(name)
        digester.put(parameters) { $0.put($1) }
        digester.put(registerTypes) { $0.put($1) }
        digester.put(threads)
        digester.put(sharedBytes)
        digester.put(clusterSize)
        digester.put(body)
        return digester.digest
    }
}

extension Digester {
    fileprivate mutating func put(_ parameter: Kernel.Parameter) {
        put(parameter.name)
        switch parameter.kind {
        case .scalar(let type):
            put(0)
            put(type)
        case .pointer(let type):
            put(1)
            put(type)
        case .tensorMap: put(2)
        }
    }

    /// The operations without their lines.
    mutating func put(_ block: Block) {
        put(block.instructions.count)
        for instruction in block.instructions { put(instruction.op) }
    }

    mutating func put(_ register: Register) { put(register.index) }

    mutating func put(_ registers: [Register]) { put(registers) { $0.put($1) } }

    mutating func put(_ operand: Operand) {
        switch operand {
        case .register(let register):
            put(0)
            put(register)
        case .constant(let bits):
            put(1)
            put(bits)
        }
    }

    mutating func put(_ operands: [Operand]) { put(operands) { $0.put($1) } }

    mutating func put(_ operand: Operand?) { put(operand) { $0.put($1) } }

    mutating func put(_ address: Address) {
        put(address.base)
        put(address.offset)
    }

    mutating func put(_ order: MemoryOrder) {
        put(order.strength)
        put(order.scope) { $0.put($1) }
    }

    mutating func put(_ access: MemoryAccess) {
        put(access.element)
        put(access.space)
        put(access.order)
        put(access.cache)
    }

    mutating func put(_ multiply: WarpGroupMultiply) {
        put(multiply.element)
        put(multiply.columns)
        put(multiply.accumulators)
        switch multiply.a {
        case .descriptor(let descriptor):
            put(0)
            put(descriptor)
        case .registers(let registers):
            put(1)
            put(registers)
        }
        put(multiply.b)
        put(multiply.accumulate)
    }
}
