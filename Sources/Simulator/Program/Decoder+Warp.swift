import KernelLanguage

/// Handlers of shuffles, transposes, votes and elections.
extension Decoder {
    /// Stops the machine where a GPU would wait for ever: an operation of the whole warp that a branch keeps lanes
    /// from.
    var wholeWarpHandler: StepHandler {
        { w, s in
            let core = core(w)
            let missing = core.pointee.live & ~core.pointee.mask
            guard missing == 0 else {
                return core.fail(
                    step(s),
                    "lane \(missing.trailingZeroBitCount) has not exited and does not take part in this operation of "
                        + "the whole warp; compute it outside of the branch")
            }
            return StepOutcome.proceed
        }
    }

    func shuffleHandler(_ mode: ShuffleMode) -> StepHandler {
        switch mode {
        case .index: { w, s in shuffle(w, s) { _, operand in operand & 31 } }
        case .up: { w, s in shuffle(w, s) { lane, operand in operand & 31 > lane ? lane : lane &- (operand & 31) } }
        case .down:
            { w, s in
                shuffle(w, s) { lane, operand in lane &+ (operand & 31) > 31 ? lane : lane &+ (operand & 31) }
            }
        case .butterfly: { w, s in shuffle(w, s) { lane, operand in lane ^ (operand & 31) } }
        }
    }

    var transposeHandler: StepHandler {
        { w, s in
            let core = core(w)
            let values = core.lanes(step(s).pointee.a, as: UInt32.self)
            let out = core.scratch(as: UInt32.self)
            for lane in 0..<32 {
                // Row `lane / 4` of the result is column `lane / 4` of the operand.
                let (row, column) = (lane / 4, lane % 4 * 2)
                let shift = UInt32(row % 2 * 16)
                let low = values[column * 4 + row / 2] >> shift & 0xFFFF
                let high = values[(column + 1) * 4 + row / 2] >> shift & 0xFFFF
                out[lane] = low | high << 16
            }
            core.commit32(step(s).pointee.d)
            return StepOutcome.proceed
        }
    }

    func voteHandler(_ mode: VoteMode) -> StepHandler {
        switch mode {
        case .all: { w, s in vote(w, s) { bits, mask in bits & mask == mask ? .max : 0 } }
        case .any: { w, s in vote(w, s) { bits, mask in bits & mask != 0 ? .max : 0 } }
        case .ballot:
            { w, s in
                let core = core(w)
                let ballot = core.bits(step(s).pointee.a) & core.pointee.mask
                return perLane(w, s) { _ in ballot }
            }
        }
    }

    var electHandler: StepHandler {
        { w, s in
            let core = core(w)
            core.setBits(step(s).pointee.d, core.pointee.mask & (0 &- core.pointee.mask))
            return StepOutcome.proceed
        }
    }
}

@inline(__always)
private func shuffle(
    _ w: UnsafeMutableRawPointer, _ s: UnsafeRawPointer, _ source: (UInt32, UInt32) -> UInt32
) -> Int32 {
    let core = core(w)
    let step = step(s)
    let values = core.lanes(step.pointee.a, as: UInt32.self)
    let operands = core.lanes(step.pointee.b, as: UInt32.self)
    let out = core.scratch(as: UInt32.self)
    for lane in 0..<32 {
        out[lane] = values[Int(source(UInt32(truncatingIfNeeded: lane), operands[lane]))]
    }
    core.commit32(step.pointee.d)
    return StepOutcome.proceed
}

@inline(__always)
private func vote(
    _ w: UnsafeMutableRawPointer, _ s: UnsafeRawPointer, _ f: (UInt32, UInt32) -> UInt32
) -> Int32 {
    let core = core(w)
    core.setBits(step(s).pointee.d, f(core.bits(step(s).pointee.a), core.pointee.mask))
    return StepOutcome.proceed
}
