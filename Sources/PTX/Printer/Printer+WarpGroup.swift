import KernelLanguage

extension Printer {
    mutating func wgmmaFence() { emit("wgmma.fence.sync.aligned") }

    mutating func wgmma(_ multiply: WarpGroupMultiply) {
        let type = multiply.element == .bfloat16 ? "bf16" : "e4m3"
        let accumulators = multiply.accumulators.map { name($0) }.joined(separator: ", ")
        let a: String
        // Scales of A and B: +1. Only 16-bit elements have flags for transposition; A in registers has none.
        var flags = "1, 1"
        switch multiply.a {
        case .descriptor(let descriptor):
            a = inRegister(descriptor, .uint64)
            if multiply.element == .bfloat16 { flags += ", 0, 0" }
        case .registers(let registers):
            a = "{" + registers.map { inRegister($0, .uint32) }.joined(separator: ", ") + "}"
            if multiply.element == .bfloat16 { flags += ", 0" }
        }
        let b = inRegister(multiply.b, .uint64)
        let accumulate = inRegister(multiply.accumulate, .bool)
        emit(
            "wgmma.mma_async.sync.aligned.m64n\(multiply.columns)k\(multiply.depth).f32.\(type).\(type) "
                + "{\(accumulators)}, \(a), \(b), \(accumulate), \(flags)")
    }

    mutating func wgmmaCommit() { emit("wgmma.commit_group.sync.aligned") }

    mutating func wgmmaWait(_ pending: Int) { emit("wgmma.wait_group.sync.aligned \(pending)") }

    mutating func setRegisterCount(_ count: Int, _ increase: Bool) {
        emit("setmaxnreg.\(increase ? "inc" : "dec").sync.aligned.u32 \(count)")
    }

    mutating func dependentLaunch(_ action: DependentLaunchAction) {
        switch action {
        case .launchDependents: emit("griddepcontrol.launch_dependents")
        case .wait: emit("griddepcontrol.wait")
        }
    }

    mutating func nanosleep(_ time: Operand) { emit("nanosleep.u32 \(text(time, .uint32))") }
}
