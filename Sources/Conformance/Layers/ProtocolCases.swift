import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

/// Graph replay, lost signals and recovery.
func protocolCases() -> [ConformanceCase] {
    OverlapMode.allCases.map(replayCase) + [pollCase(), droppedSignalCase()]
}

private func smallShape(ranks: Int = 2) throws -> LayerShape {
    try LayerShape(hidden: 256, intermediate: 128, experts: 8, topK: 2, ranks: ranks, maxTokens: 8)
}

/// A captured step gives the bits of a direct one, whatever inputs and token counts it is replayed with.
private func replayCase(_ mode: OverlapMode) -> ConformanceCase {
    ConformanceCase("replay with changing inputs, \(mode)") { device in
        let shape = try smallShape()
        let layer = try LayerFixture(shape, tokens: [8, 8], sharedIntermediate: 128).layer(on: device)
        let captured = try layer.capture(overlap: mode)
        for (step, tokens) in [[8, 8], [3, 0], [0, 0], [1, 7], [8, 2]].enumerated() {
            let inputs = LayerFixture(shape, tokens: tokens, pattern: .sparse).inputs(step: step)
            let direct = try layer.step(inputs, overlap: .none)
            try layer.group.load(inputs)
            try layer.replay(captured)
            try layer.group.synchronize()
            try requireIdentical(
                "tokens \(tokens)", try layer.outputs(inputs), direct, hidden: shape.hidden)
        }
    }
}

/// In an overlapped step the combine really waits for the GEMM: some polls find their block not ready.
private func pollCase() -> ConformanceCase {
    ConformanceCase("the overlapped combine polls before blocks are ready") { device in
        let fixture = LayerFixture(try smallShape(), tokens: [8, 8])
        let layer = try fixture.layer(on: device)
        let inputs = fixture.inputs()
        var polls = try layer.group.takePollStatistics()
        // The two kernels race; that the combine is late every single time would be a defect of the overlap.
        for _ in 0..<20 where polls.notReady == 0 {
            _ = try layer.step(inputs, overlap: .singleBatch)
            polls = try layer.group.takePollStatistics()
        }
        try require(polls.waits == 32, "\(polls.waits) rows were waited for, expected 32")
        try require(polls.notReady > 0, "no poll in 20 steps found its block not ready")
    }
}

/// One add left out ends in an error that names rank, expert and block; after a reset the group works again.
private func droppedSignalCase() -> ConformanceCase {
    ConformanceCase("a dropped signal is reported by rank, expert and block") { device in
        let shape = try smallShape()
        let fixture = LayerFixture(shape, tokens: [8, 8], pattern: .allToOne)
        let dropped = MoELayer.DroppedSignal(rank: 1, expert: 3, block: 0)
        let layer = try fixture.layer(on: device, waitLimit: 0.05, droppedSignal: dropped)
        let inputs = fixture.inputs()
        let plain = try layer.step(inputs, overlap: .none)
        do {
            _ = try layer.step(inputs, overlap: .singleBatch)
            throw ConformanceFailure("the step ended as if no signal had been dropped")
        } catch GroupError.waitTimedOut(let fault, _, _) {
            var expected = fault
            (expected.rank, expected.kernel, expected.expert, expected.block) = (1, .combineSend, 7, 0)
            (expected.expected, expected.seen) = (UInt64(shape.hidden / 128), UInt64(shape.hidden / 128 - 1))
            try require(fault == expected, "the fault is \(fault), expected \(expected)")
        }
        do {
            _ = try layer.step(inputs, overlap: .none)
            throw ConformanceFailure("a step after a failed one was not refused")
        } catch GroupError.needsReset {}
        try layer.group.reset()
        try requireIdentical(
            "after the reset", try layer.step(inputs, overlap: .none), plain, hidden: shape.hidden)
    }
}
