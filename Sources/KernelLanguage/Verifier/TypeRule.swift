/// The checks that type rules are made of. Each returns the problem that it finds, or nil.
struct TypeRule {
    let kernel: Kernel

    func type(_ register: Register) -> ScalarType { kernel.registerTypes[register.index] }

    func require(_ condition: Bool, _ problem: @autoclosure () -> String) -> String? { condition ? nil : problem() }

    func expect(_ register: Register, _ expected: ScalarType, _ role: String) -> String? {
        require(type(register) == expected, "\(role) is \(type(register)), expected \(expected)")
    }

    func expect(_ operand: Operand, _ expected: ScalarType, _ role: String) -> String? {
        switch operand {
        case .register(let register): expect(register, expected, role)
        case .constant(let bits):
            require(
                expected == .uint64 || bits <= UInt64(UInt32.max),
                "\(role) is the constant \(bits), which does not fit \(expected)")
        }
    }

    func expect(_ operands: [Operand], _ expected: ScalarType, _ role: String) -> String? {
        operands.lazy.compactMap { expect($0, expected, role) }.first
    }

    func constant(_ operand: Operand, in range: ClosedRange<UInt64>, _ role: String) -> String? {
        guard case .constant(let bits) = operand else { return nil }
        return require(
            range.contains(bits), "\(role) is \(bits), expected \(range.lowerBound) to \(range.upperBound)")
    }

    func address(_ address: Address, _ space: MemorySpace) -> String? {
        expect(address.base, space == .global ? .uint64 : .uint32, "\(space) address")
    }

    func mbarrier(_ address: Address) -> String? {
        self.address(address, .shared) ?? require(address.offset % 8 == 0, "mbarriers are aligned to 8 bytes")
    }

    /// Vector accesses move 1, 2, 4, 8 or 16 bytes at a multiple of their size.
    func vector(_ access: MemoryAccess, _ count: Int, _ address: Address) -> String? {
        let bytes = count * access.element.bytes
        return require(
            count == 1 || ([2, 4].contains(count) && bytes <= 16),
            "\(count) elements of \(access.element) cannot be moved at once; 1, 2 or 4 up to 16 bytes can")
            ?? require(access.element != .bool, "a Bool has no form in memory")
            ?? require(
                access.order == .weak || count == 1, "an ordered access moves one element, not \(count)")
            ?? require(
                address.offset % max(bytes, 1) == 0, "offset \(address.offset) is not a multiple of \(bytes) bytes")
    }

    func bulk(_ shared: Address?, _ global: Address, _ bytes: Operand) -> String? {
        shared.flatMap { address($0, .shared) ?? require($0.offset % 16 == 0, "shared offset is not a multiple of 16") }
            ?? address(global, .global) ?? require(global.offset % 16 == 0, "global offset is not a multiple of 16")
            ?? expect(bytes, .uint32, "bytes")
            ?? {
                guard case .constant(let count) = bytes else { return nil }
                return require(count > 0 && count % 16 == 0, "\(count) bytes; bulk copies move multiples of 16")
            }()
    }

    func tensorMap(_ number: Int) -> String? {
        guard kernel.parameters.indices.contains(number), kernel.parameters[number].kind == .tensorMap else {
            return "parameter \(number) is not a tensor map"
        }
        return nil
    }

    func tensor(_ map: Int, _ coordinates: [Operand], _ shared: Address) -> String? {
        tensorMap(map) ?? address(shared, .shared) ?? expect(coordinates, .int32, "coordinate")
            ?? require((1...5).contains(coordinates.count), "\(coordinates.count) coordinates; 1 to 5 are possible")
            ?? require(shared.offset % 128 == 0, "tensor copies need shared addresses that are multiples of 128")
    }

    func multiply(_ multiply: WarpGroupMultiply) -> String? {
        require(
            multiply.columns % 8 == 0 && (8...256).contains(multiply.columns),
            "\(multiply.columns) columns; a multiple of 8 from 8 to 256 is possible")
            ?? require(
                multiply.element == .bfloat16 || multiply.element == .float8E4M3,
                "tensor cores take bfloat16 and float8E4M3 here, not \(multiply.element)")
            ?? require(
                multiply.accumulators.count == multiply.columns / 2,
                "\(multiply.accumulators.count) accumulators; \(multiply.columns / 2) are needed")
            ?? multiply.accumulators.lazy.compactMap { expect($0, .float32, "accumulator") }.first
            ?? expect(multiply.b, .uint64, "descriptor of B") ?? expect(multiply.accumulate, .bool, "accumulate")
            ?? require(kernel.threads >= 128, "a warp group has 128 threads; the block has \(kernel.threads)")
            ?? {
                switch multiply.a {
                case .descriptor(let descriptor): expect(descriptor, .uint64, "descriptor of A")
                case .registers(let registers):
                    expect(registers, .uint32, "fragment of A")
                        ?? require(registers.count == 4, "a fragment of A has 4 registers, not \(registers.count)")
                }
            }()
    }
}
