import KernelLanguage

extension Forms {
    /// Named barriers, cluster barriers and mbarriers.
    static func barriers() -> Forms {
        var forms = Forms("barrier")
        for action in [BarrierAction.sync, .arrive] {
            for threads in [nil, 64, 128] {
                for constants in [false, true] {
                    forms.add { k in
                        k.emit(.barrier(action, id: k.value(.uint32, constant: constants), threads: threads))
                    }
                }
            }
        }
        forms.add { k in
            k.clusterSize = 2
            k.emit(.clusterBarrier(.arrive))
            k.emit(.clusterBarrier(.wait))
        }
        for constants in [false, true] {
            forms.add { k in
                k.emit(.mbarrierInit(k.address(.shared), arrivals: k.value(.uint32, constant: constants)))
                k.emit(.mbarrierArrive(k.address(.shared), expecting: nil))
                k.emit(
                    .mbarrierArrive(
                        k.address(.shared, offset: 8), expecting: k.value(.uint32, constant: constants)))
                let done = k.register(.bool)
                k.emit(.mbarrierTryWait(done, k.address(.shared), parity: k.value(.uint32, constant: constants)))
                k.use(done)
                k.emit(.mbarrierInvalidate(k.address(.shared)))
            }
        }
        return forms
    }

    /// Bulk and tensor copies of every rank and hint.
    static func copies() -> Forms {
        var forms = Forms("copy")
        for cache in [CacheHint.normal, .readOnly, .streaming, .evictFirst, .evictLast] {
            for constants in [false, true] {
                forms.add { k in
                    let bytes = constants ? .constant(256) : k.value(.uint32)
                    k.emit(
                        .bulkLoad(
                            shared: k.address(.shared, offset: 128), global: k.address(.global, offset: 16),
                            bytes: bytes, mbarrier: k.address(.shared), cache: cache))
                    k.emit(.bulkStore(global: k.address(.global), shared: k.address(.shared), bytes: bytes))
                    k.emit(.bulkPrefetch(global: k.address(.global), bytes: bytes))
                    k.emit(.bulkCommit)
                    for pending in [0, 1, 7] {
                        k.emit(.bulkWait(pending: pending, reading: true))
                        k.emit(.bulkWait(pending: pending, reading: false))
                    }
                }
                for rank in 1...5 {
                    forms.add { k in
                        let coordinates = (0..<rank).map { _ in k.value(.int32, constant: constants) }
                        k.emit(.tensorPrefetch(map: 1))
                        k.emit(
                            .tensorLoad(
                                shared: k.address(.shared, offset: 128), map: 1, coordinates: coordinates,
                                mbarrier: k.address(.shared, offset: 8), cache: cache))
                        k.emit(.tensorStore(map: 1, coordinates: coordinates, shared: k.address(.shared)))
                    }
                }
            }
        }
        return forms
    }

    /// Warp-group multiplies: every number of columns, both element types, A in shared memory and in registers, with
    /// and without accumulation.
    static func multiplies() -> Forms {
        var forms = Forms("multiply")
        for element in [ScalarType.bfloat16, .float8E4M3] {
            for columns in stride(from: 8, through: 256, by: 8) {
                for fromRegisters in [false, true] {
                    // The value of `accumulate` takes turns, which keeps the assembler's work small.
                    let accumulate = (columns / 8) % 3
                    forms.add { k in
                        k.multiply(element, columns, fromRegisters: fromRegisters, accumulate: accumulate)
                    }
                }
            }
        }
        return forms
    }

    /// Control flow, registers per thread, dependent launches and sleep.
    static func control() -> Forms {
        var forms = Forms("control")
        for constants in [false, true] {
            forms.add { k in
                let condition = k.value(.bool, constant: constants)
                let line = SourceLocation(file: "PTXTests/control", line: 2)
                let store = Instruction(
                    .store(MemoryAccess(.uint32, .global), [.constant(1)], k.address(.global)), at: line)
                let leave = Instruction(.breakIf(condition), at: line)
                let end = Instruction(.exit, at: line)
                k.emit(.if(condition, then: Block([store]), else: Block([])))
                k.emit(.if(condition, then: Block([]), else: Block([store])))
                k.emit(.if(condition, then: Block([store]), else: Block([end])))
                let inner = Instruction(.loop(Block([store, leave])), at: line)
                let branch = Instruction(.if(condition, then: Block([leave]), else: Block([store])), at: line)
                k.emit(.loop(Block([inner, branch, leave])))
                k.emit(.nanosleep(k.value(.uint32, constant: constants)))
            }
        }
        forms.add { k in
            k.threads = 384
            k.emit(.dependentLaunch(.wait))
            k.emit(.setRegisterCount(40, increase: false))
            k.emit(.setRegisterCount(232, increase: true))
            k.emit(.dependentLaunch(.launchDependents))
            k.emit(.exit)
        }
        return forms
    }
}

extension RawKernel {
    /// A multiply with all that belongs around it; `accumulate` is 0 for false, 1 for true, 2 for a register.
    mutating func multiply(
        _ element: ScalarType, _ columns: Int, fromRegisters: Bool, accumulate: Int, waits: Bool = true
    ) {
        let accumulators = (0..<columns / 2).map { _ in register(.float32) }
        for accumulator in accumulators { emit(.move(accumulator, .constant(0))) }
        let a: MatrixOperand =
            fromRegisters
            ? .registers((0..<4).map { _ in value(.uint32) })
            : .descriptor(value(.uint64))
        let multiply = WarpGroupMultiply(
            element: element, columns: columns, accumulators: accumulators, a: a, b: value(.uint64),
            accumulate: accumulate == 2 ? value(.bool) : .constant(UInt64(accumulate)))
        emit(.wgmmaFence)
        emit(.wgmma(multiply))
        emit(.wgmmaCommit)
        if waits { emit(.wgmmaWait(pending: 0)) }
        for accumulator in accumulators { use(accumulator) }
        if !waits { emit(.wgmmaWait(pending: 0)) }
    }
}
