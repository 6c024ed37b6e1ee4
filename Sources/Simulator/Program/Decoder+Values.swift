import KernelLanguage

/// Handlers of moves, selections, conversions and special registers.
extension Decoder {
    func moveHandler(_ type: ScalarType) -> StepHandler {
        switch type {
        case .bool: { w, s in bitwise(w, s) { a, _ in a } }
        case .uint64: { w, s in unary(w, s) { (a: UInt64) in a } }
        case .uint32, .int32, .float32, .bfloat16, .float8E4M3: { w, s in unary(w, s) { (a: UInt32) in a } }
        }
    }

    /// `d = a ? b : c` with lane bits `a`.
    func selectHandler(_ type: ScalarType) -> StepHandler {
        switch type {
        case .bool:
            { w, s in
                let core = core(w)
                let step = step(s)
                let condition = core.bits(step.pointee.a)
                core.setBits(
                    step.pointee.d, condition & core.bits(step.pointee.b) | ~condition & core.bits(step.pointee.c))
                return StepOutcome.proceed
            }
        case .uint64: { w, s in select(w, s, UInt64.self) }
        case .uint32, .int32, .float32, .bfloat16, .float8E4M3: { w, s in select(w, s, UInt32.self) }
        }
    }

    func conversionHandler(_ from: ScalarType, _ to: ScalarType) -> StepHandler {
        switch (from, to) {
        case (.uint32, .uint64): { w, s in unary(w, s) { (a: UInt32) in UInt64(a) } }
        case (.uint64, .uint32): { w, s in unary(w, s) { (a: UInt64) in UInt32(truncatingIfNeeded: a) } }
        case (.int32, .uint64): { w, s in unary(w, s) { (a: Int32) in UInt64(truncatingIfNeeded: a) } }
        case (.uint32, .float32): { w, s in unary(w, s) { (a: UInt32) in Float(a) } }
        case (.int32, .float32): { w, s in unary(w, s) { (a: Int32) in Float(a) } }
        case (.uint64, .float32): { w, s in unary(w, s) { (a: UInt64) in Float(a) } }
        case (.float32, .uint32): { w, s in unary(w, s, FloatArithmetic.toUInt32) }
        case (.float32, .int32): { w, s in unary(w, s, FloatArithmetic.toInt32) }
        case (.float32, .bfloat16): { w, s in unary(w, s) { (a: Float) in UInt32(FloatArithmetic.bfloat16(a)) } }
        case (.bfloat16, .float32): { w, s in unary(w, s) { (a: UInt32) in a &<< 16 } }
        case (.uint32, .bfloat16): { w, s in unary(w, s) { (a: UInt32) in a & 0xFFFF } }
        case (.uint32, .float8E4M3): { w, s in unary(w, s) { (a: UInt32) in a & 0xFF } }
        case (.bool, .uint32):
            { w, s in
                let bits = core(w).bits(step(s).pointee.a)
                return perLane(w, s) { lane in (bits &>> lane) & 1 }
            }
        default: { w, s in unary(w, s) { (a: UInt32) in a } }
        }
    }

    func specialHandler(_ register: SpecialRegister) -> StepHandler {
        switch register {
        case .threadIndex:
            { w, s in
                let first = core(w).pointee.firstThread
                return perLane(w, s) { lane in first &+ lane }
            }
        case .lane: { w, s in perLane(w, s) { lane in lane } }
        case .blockSize: { w, s in uniform(w, s, core(w).pointee.blockThreads) }
        case .blockIndex: { w, s in uniform(w, s, core(w).pointee.blockIndex) }
        case .gridSize: { w, s in uniform(w, s, core(w).pointee.gridSize) }
        case .clusterRank: { w, s in uniform(w, s, core(w).pointee.clusterRank) }
        case .multiprocessor: { w, s in uniform(w, s, core(w).pointee.multiprocessor) }
        case .globalTimer: { w, s in uniform(w, s, core(w).pointee.counters.pointee.clock) }
        }
    }

    /// The argument with index `x`.
    func parameterHandler(_ type: ScalarType) -> StepHandler {
        type == .uint64
            ? { w, s in uniform(w, s, core(w).pointee.arguments[step(s).pointee.x]) }
            : { w, s in uniform(w, s, UInt32(truncatingIfNeeded: core(w).pointee.arguments[step(s).pointee.x])) }
    }

    /// The address `x`.
    var sharedAddressHandler: StepHandler { { w, s in uniform(w, s, UInt32(truncatingIfNeeded: step(s).pointee.x)) } }
}

extension FloatArithmetic {
    /// The bits of the nearest BF16 number; every NaN gives PTX's, 0x7FFF.
    @inline(__always)
    static func bfloat16(_ value: Float) -> UInt16 { value == value ? BFloat16(value).bits : 0x7FFF }
}

@inline(__always)
private func uniform<R>(_ w: UnsafeMutableRawPointer, _ s: UnsafeRawPointer, _ value: R) -> Int32 {
    perLane(w, s) { _ in value }
}

@inline(__always)
private func select<R>(_ w: UnsafeMutableRawPointer, _ s: UnsafeRawPointer, _ type: R.Type) -> Int32 {
    let core = core(w)
    let step = step(s)
    let condition = core.bits(step.pointee.a)
    let b = core.lanes(step.pointee.b, as: R.self)
    let c = core.lanes(step.pointee.c, as: R.self)
    let out = core.scratch(as: R.self)
    for lane in 0..<32 {
        out[lane] = (condition &>> UInt32(truncatingIfNeeded: lane)) & 1 != 0 ? b[lane] : c[lane]
    }
    core.commit(step.pointee.d, as: R.self)
    return StepOutcome.proceed
}
