import KernelLanguage

extension Printer {
    /// Member mask of warp operations: in the kernel language, all lanes take part.
    private var allLanes: String { "0xFFFFFFFF" }

    mutating func shuffle(_ mode: ShuffleMode, _ result: Register, _ a: Operand, _ lane: Operand) {
        // The bound: lane 31 is the last to read from, lane 0 when counting down.
        let (spelling, bound) =
            switch mode {
            case .index: ("idx", 31)
            case .up: ("up", 0)
            case .down: ("down", 31)
            case .butterfly: ("bfly", 31)
            }
        let source = inRegister(a, type(result))
        emit("shfl.sync.\(spelling).b32 \(name(result)), \(source), \(text(lane, .uint32)), \(bound), \(allLanes)")
    }

    mutating func transpose(_ result: Register, _ a: Operand) {
        emit("movmatrix.sync.aligned.m8n8.trans.b16 \(name(result)), \(inRegister(a, .uint32))")
    }

    mutating func vote(_ mode: VoteMode, _ result: Register, _ a: Operand) {
        let source = inRegister(a, .bool)
        let spelling =
            switch mode {
            case .all: "all.pred"
            case .any: "any.pred"
            case .ballot: "ballot.b32"
            }
        emit("vote.sync.\(spelling) \(name(result)), \(source), \(allLanes)")
    }

    mutating func elect(_ result: Register) { emit("elect.sync _|\(name(result)), \(allLanes)") }

    mutating func syncWarp() { emit("bar.warp.sync \(allLanes)") }
}
