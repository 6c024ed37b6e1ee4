import KernelLanguage

/// Handlers of packing and unpacking. Operands of a pack and results of an unpack stand in the program's lists from `x`
/// on.
extension Decoder {
    func packHandler(_ operation: PackOperation) -> StepHandler {
        switch operation {
        case .bfloat16Pair:
            { w, s in
                binary(w, s) { (a: Float, b: Float) in
                    UInt32(FloatArithmetic.bfloat16(a)) | UInt32(FloatArithmetic.bfloat16(b)) << 16
                }
            }
        case .uint64: { w, s in binary(w, s) { (a: UInt32, b: UInt32) in UInt64(a) | UInt64(b) << 32 } }
        case .float8Quad:
            { w, s in
                let core = core(w)
                let step = step(s)
                let list = core.pointee.warp.list(step.pointee.x)
                let a = core.lanes(list[0], as: Float.self)
                let b = core.lanes(list[1], as: Float.self)
                let c = core.lanes(list[2], as: Float.self)
                let d = core.lanes(list[3], as: Float.self)
                let out = core.scratch(as: UInt32.self)
                for lane in 0..<32 {
                    let low = UInt32(Float8E4M3(a[lane]).bits) | UInt32(Float8E4M3(b[lane]).bits) << 8
                    let high = UInt32(Float8E4M3(c[lane]).bits) | UInt32(Float8E4M3(d[lane]).bits) << 8
                    out[lane] = low | high << 16
                }
                core.commit32(step.pointee.d)
                return StepOutcome.proceed
            }
        }
    }

    func unpackHandler(_ operation: UnpackOperation) -> StepHandler {
        switch operation {
        case .bfloat16Pair:
            { w, s in
                unpack(w, s, 2) { (a: UInt32, part) in part == 0 ? a << 16 : a & 0xFFFF_0000 }
            }
        case .float8Quad:
            { w, s in
                let table = core(w).pointee.warp.float8Table
                return unpack(w, s, 4) { (a: UInt32, part) in
                    table[Int(truncatingIfNeeded: (a &>> (8 &* part)) & 0xFF)].bitPattern
                }
            }
        case .uint64:
            { w, s in
                unpack(w, s, 2) { (a: UInt64, part) in UInt32(truncatingIfNeeded: part == 0 ? a : a >> 32) }
            }
        }
    }
}

@inline(__always)
private func unpack<A>(
    _ w: UnsafeMutableRawPointer, _ s: UnsafeRawPointer, _ count: UInt32, _ f: (A, UInt32) -> UInt32
) -> Int32 {
    let core = core(w)
    let step = step(s)
    let list = core.pointee.warp.list(step.pointee.x)
    let a = core.lanes(step.pointee.a, as: A.self)
    let out = core.scratch(as: UInt32.self)
    // The registers' places never overlap the operand's: results get theirs before operands give theirs up.
    for part in 0..<count {
        for lane in 0..<32 { out[lane] = f(a[lane], part) }
        core.commit32(list[Int(part)])
    }
    return StepOutcome.proceed
}
