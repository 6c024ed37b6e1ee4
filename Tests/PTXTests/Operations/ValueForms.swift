import KernelLanguage

extension Forms {
    /// Moves, arithmetic, comparisons and selections on every type, with registers and with constants.
    static func arithmetic() -> Forms {
        var forms = Forms("arithmetic")
        for type in ScalarType.allCases {
            for constants in [false, true] {
                forms.addResult(type) { k, r in .move(r, k.value(type, constant: constants)) }
                forms.addResult(type) { k, r in
                    .multiplyAdd(
                        r, k.value(type), k.value(type, constant: constants), k.value(type, constant: constants))
                }
                forms.addResult(type) { k, r in
                    .select(
                        r, condition: k.value(.bool, constant: constants), k.value(type),
                        k.value(type, constant: constants))
                }
                for operation in UnaryOperation.allCases {
                    forms.addResult(type) { k, r in .unary(operation, r, k.value(type, constant: constants)) }
                }
                for comparison in Comparison.allCases {
                    forms.addResult(.bool) { k, r in
                        .compare(comparison, type, r, k.value(type), k.value(type, constant: constants))
                    }
                }
                for operation in BinaryOperation.allCases {
                    let (first, second) = operandTypes(operation, type)
                    forms.addResult(type) { k, r in
                        .binary(operation, r, k.value(first), k.value(second, constant: constants))
                    }
                    forms.addResult(type) { k, r in
                        .binary(operation, r, k.value(first, constant: constants), k.value(second))
                    }
                }
            }
        }
        return forms
    }

    private static func operandTypes(_ operation: BinaryOperation, _ type: ScalarType) -> (ScalarType, ScalarType) {
        switch operation {
        case .multiplyWide: (.uint32, .uint32)
        case .shiftLeft, .shiftRight: (type, .uint32)
        default: (type, type)
        }
    }

    /// Conversions, reinterpretations, packing and unpacking.
    static func conversions() -> Forms {
        var forms = Forms("conversion")
        for constants in [false, true] {
            for from in ScalarType.allCases {
                for to in ScalarType.allCases {
                    forms.addResult(to) { k, r in .convert(r, from: from, k.value(from, constant: constants)) }
                    forms.addResult(to) { k, r in .reinterpret(r, from: from, k.value(from, constant: constants)) }
                }
            }
            for (operation, packed, single, count) in [
                (PackOperation.bfloat16Pair, ScalarType.uint32, ScalarType.float32, 2),
                (.float8Quad, .uint32, .float32, 4), (.uint64, .uint64, .uint32, 2),
            ] {
                forms.addResult(packed) { k, r in
                    .pack(operation, r, (0..<count).map { _ in k.value(single, constant: constants) })
                }
            }
            for (operation, packed, single, count) in [
                (UnpackOperation.bfloat16Pair, ScalarType.uint32, ScalarType.float32, 2),
                (.float8Quad, .uint32, .float32, 4), (.uint64, .uint64, .uint32, 2),
            ] {
                forms.add { k in
                    let results = (0..<count).map { _ in k.register(single) }
                    k.emit(.unpack(operation, results, k.value(packed, constant: constants)))
                    for result in results { k.use(result) }
                }
            }
        }
        return forms
    }

    /// Special registers, parameters, addresses and the operations of a warp.
    static func inputs() -> Forms {
        var forms = Forms("input")
        for register in SpecialRegister.allCases { forms.addResult(register.type) { _, r in .special(r, register) } }
        for type in ScalarType.allCases where type != .bool {
            for kind in [Kernel.Parameter.Kind.scalar(type), .pointer(type)] {
                forms.add { k in
                    k.parameters.append(Kernel.Parameter(name: "extra", kind: kind))
                    let result = k.register(kind == .pointer(type) ? .uint64 : type)
                    k.emit(.parameter(result, parameter: 2))
                    k.use(result)
                }
            }
        }
        for offset in [0, 1024, 4096] { forms.addResult(.uint32) { _, r in .sharedAddress(r, offset: offset) } }
        for constants in [false, true] {
            for type in ScalarType.allCases {
                for mode in ShuffleMode.allCases {
                    forms.addResult(type) { k, r in
                        .shuffle(
                            mode, r, k.value(type, constant: constants), lane: k.value(.uint32, constant: constants))
                    }
                }
            }
            forms.addResult(.uint32) { k, r in .transpose(r, k.value(.uint32, constant: constants)) }
            for mode in VoteMode.allCases {
                forms.addResult(mode == .ballot ? .uint32 : .bool) { k, r in
                    .vote(mode, r, k.value(.bool, constant: constants))
                }
            }
        }
        forms.addResult(.bool) { _, r in .elect(r) }
        forms.add { k in k.emit(.syncWarp) }
        return forms
    }

    /// Adds a kernel for an operation with one result.
    @discardableResult
    mutating func addResult(_ type: ScalarType, _ op: (inout RawKernel, Register) -> Op) -> Bool {
        add { k in
            let result = k.register(type)
            k.emit(op(&k, result))
            k.use(result)
        }
    }
}
