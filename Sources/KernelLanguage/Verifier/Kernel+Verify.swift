extension Kernel {
    /// Checks the whole kernel: types and constants of every operation, definition before use, and its resources.
    ///
    /// - Throws: `VerificationError` for the first fault, in program order.
    public func verify() throws(VerificationError) {
        try requireName(name, of: "the kernel")
        for (index, parameter) in parameters.enumerated() {
            try requireName(parameter.name, of: "parameter \(index)")
            try require(
                !parameters[..<index].contains { $0.name == parameter.name },
                "two parameters are named \(parameter.name)")
        }
        try require(
            threads % 32 == 0 && (32...1024).contains(threads),
            "\(threads) threads per block; a multiple of 32 from 32 to 1024 is possible")
        try require(
            sharedBytes <= Kernel.maximumSharedBytes,
            "\(sharedBytes) bytes of shared memory; a block can have \(Kernel.maximumSharedBytes)")
        try require((1...8).contains(clusterSize), "\(clusterSize) blocks per cluster; 1 to 8 are possible")
        var defined = [Bool](repeating: false, count: registerTypes.count)
        try verify(body, defined: &defined, inLoop: false)
    }

    private func verify(_ block: Block, defined: inout [Bool], inLoop: Bool) throws(VerificationError) {
        var own: [Register] = []
        for instruction in block.instructions {
            let op = instruction.op
            for case .register(let register) in op.operands where !defined[register.index] {
                // A multiply that does not accumulate gives its accumulators their first value.
                if case .wgmma(let multiply) = op, multiply.accumulate == .constant(0),
                    multiply.accumulators.contains(register)
                {
                    continue
                }
                throw error(instruction, "%\(register.index) is used outside the block that defines it")
            }
            if let problem = op.problem(in: self) { throw error(instruction, problem) }
            for register in op.results where !defined[register.index] {
                defined[register.index] = true
                own.append(register)
            }
            switch op {
            case .if(_, let then, let otherwise):
                try verify(then, defined: &defined, inLoop: inLoop)
                try verify(otherwise, defined: &defined, inLoop: inLoop)
            case .loop(let body):
                try verify(body, defined: &defined, inLoop: true)
            case .breakIf where !inLoop:
                throw error(instruction, "there is no loop to leave")
            default: break
            }
        }
        // Registers that a block defines end with it; another path may not have run it.
        for register in own { defined[register.index] = false }
    }

    /// Names go into PTX as they are.
    private func requireName(_ name: String, of what: String) throws(VerificationError) {
        let first = name.utf8.first.map { $0 < 0x30 || $0 > 0x39 } ?? false
        let valid = name.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x5F
        }
        try require(
            first && valid, "\"\(name)\" cannot name \(what); use letters, digits and _, and no digit first")
    }

    private func require(_ condition: Bool, _ problem: @autoclosure () -> String) throws(VerificationError) {
        if !condition {
            throw VerificationError(kernel: name, operation: "", operands: "", location: nil, problem: problem())
        }
    }

    private func error(_ instruction: Instruction, _ problem: String) -> VerificationError {
        let operands = instruction.op.operands.map { operand in
            switch operand {
            case .register(let register): "%\(register.index): \(registerTypes[register.index])"
            case .constant(let bits): "\(bits)"
            }
        }
        return VerificationError(
            kernel: name, operation: instruction.op.name, operands: operands.joined(separator: ", "),
            location: instruction.location, problem: problem)
    }
}
