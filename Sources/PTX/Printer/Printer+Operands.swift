import KernelLanguage

extension Printer {
    /// An operand as an instruction takes it: a register or a literal.
    func text(_ operand: Operand, _ type: ScalarType) -> String {
        switch operand {
        case .register(let register): name(register)
        case .constant(let bits): literal(bits, type)
        }
    }

    /// An operand where PTX takes no literal.
    mutating func inRegister(_ operand: Operand, _ type: ScalarType) -> String {
        if case .register(let register) = operand { return name(register) }
        let register = newRegister(type)
        emit("mov.\(type.bits) \(register), \(text(operand, type))")
        return register
    }

    private func literal(_ bits: UInt64, _ type: ScalarType) -> String {
        switch type {
        case .bool: bits == 0 ? "0" : "1"
        case .uint32, .bfloat16, .float8E4M3: String(bits)
        case .int32: String(Int32(truncatingIfNeeded: bits))
        case .uint64: bits <= UInt64(Int64.max) ? String(bits) : "0x" + String(bits, radix: 16, uppercase: true) + "U"
        case .float32:
            // The bits, so that no decimal conversion stands between the kernel and the hardware.
            "0f" + hexadecimal(UInt32(truncatingIfNeeded: bits))
        }
    }

    private func hexadecimal(_ bits: UInt32) -> String {
        let digits = String(bits, radix: 16, uppercase: true)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    /// An address in brackets.
    mutating func address(_ address: Address, _ space: MemorySpace) -> String {
        "[" + location(address, space) + "]"
    }

    /// An address as it stands inside brackets: a register, or a register and a constant.
    mutating func location(_ address: Address, _ space: MemorySpace) -> String {
        let type: ScalarType = space == .global ? .uint64 : .uint32
        let base = inRegister(address.base, type)
        if address.offset == 0 { return base }
        if Int32(exactly: address.offset) != nil { return "\(base)+\(address.offset)" }
        let sum = newRegister(type)
        let offset = text(.constant(UInt64(bitPattern: Int64(address.offset))), type)
        emit("add.\(type.arithmetic) \(sum), \(base), \(offset)")
        return sum
    }
}
