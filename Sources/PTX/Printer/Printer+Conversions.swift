import KernelLanguage

extension Printer {
    mutating func convert(_ result: Register, _ from: ScalarType, _ a: Operand) {
        let source = inRegister(a, from)
        let target = name(result)
        switch (from, type(result)) {
        case (.uint32, .int32), (.int32, .uint32):
            emit("mov.b32 \(target), \(source)")
        case (.int32, .uint64):
            emit("cvt.s64.s32 \(target), \(source)")
        case (.float32, .uint32), (.float32, .int32):
            emit("cvt.rzi.\(type(result).arithmetic).f32 \(target), \(source)")
        case (.uint32, .float32), (.int32, .float32), (.uint64, .float32), (.float32, .bfloat16):
            emit("cvt.rn.\(type(result).arithmetic).\(from.arithmetic) \(target), \(source)")
        case (.bfloat16, .uint32), (.float8E4M3, .uint32):
            emit("cvt.u32.u16 \(target), \(source)")
        case (.uint32, .bfloat16):
            emit("cvt.u16.u32 \(target), \(source)")
        case (.uint32, .float8E4M3):
            emit("cvt.u16.u32 \(target), \(source)")
            emit("and.b16 \(target), \(target), 255")
        case (.bool, .uint32):
            emit("selp.b32 \(target), 1, 0, \(source)")
        case (let from, let to):
            // (uint32, uint64), (uint64, uint32), (bfloat16, float32); anything else does not assemble.
            emit("cvt.\(to.arithmetic).\(from.arithmetic) \(target), \(source)")
        }
    }

    mutating func reinterpret(_ result: Register, _ from: ScalarType, _ a: Operand) {
        let bits =
            switch type(result) {
            case .float32: "b32"
            case let type: type.bits
            }
        emit("mov.\(bits) \(name(result)), \(inRegister(a, from))")
    }

    mutating func pack(_ operation: PackOperation, _ result: Register, _ values: [Operand]) {
        let type: ScalarType = operation == .uint64 ? .uint32 : .float32
        let sources = values.map { inRegister($0, type) }
        switch operation {
        case .bfloat16Pair:
            // The first source goes to the high half.
            emit("cvt.rn.bf16x2.f32 \(name(result)), \(sources.reversed().joined(separator: ", "))")
        case .float8Quad:
            var halves: [String] = []
            for start in stride(from: 0, to: sources.count, by: 2) {
                let half = newRegister(.bfloat16)
                let pair = sources[start..<min(start + 2, sources.count)].reversed().joined(separator: ", ")
                emit("cvt.rn.satfinite.e4m3x2.f32 \(half), \(pair)")
                halves.append(half)
            }
            emit("mov.b32 \(name(result)), {\(halves.joined(separator: ", "))}")
        case .uint64:
            emit("mov.b64 \(name(result)), {\(sources.joined(separator: ", "))}")
        }
    }

    mutating func unpack(_ operation: UnpackOperation, _ results: [Register], _ a: Operand) {
        let names = results.map { name($0) }
        switch operation {
        case .bfloat16Pair:
            // A BF16 is the high half of the Float32 with the same value.
            let source = inRegister(a, .uint32)
            let bits = [newRegister(.uint32), newRegister(.uint32)]
            emit("shl.b32 \(bits[0]), \(source), 16")
            emit("and.b32 \(bits[1]), \(source), 0xFFFF0000")
            for (target, bits) in zip(names, bits) { emit("mov.b32 \(target), \(bits)") }
        case .float8Quad:
            let source = inRegister(a, .uint32)
            let halves = [newRegister(.bfloat16), newRegister(.bfloat16)]
            emit("mov.b32 {\(halves.joined(separator: ", "))}, \(source)")
            for (index, half) in halves.enumerated() {
                let pair = newRegister(.uint32)
                let singles = [newRegister(.bfloat16), newRegister(.bfloat16)]
                emit("cvt.rn.f16x2.e4m3x2 \(pair), \(half)")
                emit("mov.b32 {\(singles.joined(separator: ", "))}, \(pair)")
                for (single, target) in zip(singles, names.dropFirst(2 * index)) {
                    emit("cvt.f32.f16 \(target), \(single)")
                }
            }
        case .uint64:
            emit("mov.b64 {\(names.joined(separator: ", "))}, \(inRegister(a, .uint64))")
        }
    }
}
