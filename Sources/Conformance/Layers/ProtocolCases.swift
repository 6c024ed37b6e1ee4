import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

/// Graph replay, lost signals and recovery.
func protocolCases() -> [ConformanceCase] {
    OverlapMode.allCases.map(replayCase) + OverlapMode.allCases.map(rowOfReplaysCase) + [
        pollCase(), droppedSignalCase(), droppedTileCase(), absentRankCase(), silentRankCase(),
        waitsInsideGEMMsCase(), linkCase(),
    ]
}

private func smallShape(ranks: Int = 2, sharedExperts: Int = 0) throws -> LayerShape {
    try LayerShape(
        hidden: 256, intermediate: 128, experts: 8, topK: 2, ranks: ranks, maxTokens: 8, sharedExperts: sharedExperts)
}

/// Seconds that a correct step never waits, however busy the host is.
private func waitLimit(_ device: any Device) -> Double { device.properties.kind == .cuda ? 0.5 : 0.02 }

/// A rank that does not take part ends in an error of those that wait for it, and not in stale rows being sent.
private func absentRankCase() -> ConformanceCase {
    ConformanceCase("an absent rank is reported") { device in
        let shape = try smallShape(ranks: 4)
        let fixture = LayerFixture(shape, tokens: [8, 3, 5, 1])
        let inputs = fixture.inputs()
        for mode in OverlapMode.allCases {
            let layer = try fixture.layer(on: device, waitLimit: waitLimit(device))
            let plain = try layer.step(inputs, overlap: .none)
            try layer.group.load(inputs)
            for rank in layer.group.ranks.dropLast() { try layer.enqueue(rank, overlap: mode) }
            do {
                try layer.group.synchronize()
                throw ConformanceFailure("\(mode): the step ended although rank 3 took no part")
            } catch GroupError.waitTimedOut(let fault, _, let others) {
                for fault in [fault] + others {
                    guard case .rowCount(_, source: 3) = fault.subject, fault.seen < fault.expected else {
                        throw ConformanceFailure("\(mode): a fault is \(fault)")
                    }
                }
                try require(others.count == 2, "\(mode): \(others.count) others timed out, expected 2")
                try requireInOrder([fault] + others)
            }
            try layer.group.reset()
            try requireIdentical(
                "\(mode), after the reset", try layer.step(inputs, overlap: mode), plain, hidden: shape.hidden)
        }
    }
}

/// Rows that are announced and never sent end in an error of those that wait for them.
private func silentRankCase() -> ConformanceCase {
    ConformanceCase("rows that are told and not sent are reported by their receiver") { device in
        let shape = try smallShape()
        let fixture = LayerFixture(shape, tokens: [8, 3])
        let inputs = fixture.inputs()
        for mode in OverlapMode.allCases where mode != .twoBatch {
            let layer = try fixture.layer(on: device, waitLimit: waitLimit(device))
            let plain = try layer.step(inputs, overlap: .none)
            try layer.group.load(inputs)
            try layer.enqueue(layer.group.ranks[0], overlap: mode)
            try layer.group.ranks[1].dispatchNothing()
            do {
                try layer.group.synchronize()
                throw ConformanceFailure("\(mode): the step ended although rank 1 sent no rows")
            } catch GroupError.waitTimedOut(let fault, _, _) {
                let kernel = mode == .none ? StepPhase.dispatchReceive : .gateUp
                guard fault.rank == 0, fault.kernel == kernel,
                    case .row(let expert, _, source: 1) = fault.subject, expert < shape.localExperts
                else { throw ConformanceFailure("\(mode): the fault is \(fault)") }
            }
            try layer.group.reset()
            try requireIdentical(
                "\(mode), after the reset", try layer.step(inputs, overlap: mode), plain, hidden: shape.hidden)
        }
    }
}

/// Kernels inside a step say themselves what they wait for, and name experts by their numbers in the layer.
private func waitsInsideGEMMsCase() -> ConformanceCase {
    ConformanceCase("waits inside GEMMs name kernel, expert and missing rank") { device in
        // Enough experts for tiles with SwiGLU, behind which the down GEMM waits for row blocks.
        let shape = try LayerShape(hidden: 256, intermediate: 128, experts: 160, topK: 2, ranks: 4, maxTokens: 8)
        let fixture = LayerFixture(shape, tokens: [8, 8, 8, 8])
        let layer = try fixture.layer(on: device, waitLimit: waitLimit(device))
        let last = layer.group.ranks[3]
        func faults(_ enqueue: () throws -> Void) throws -> [WaitFault] {
            _ = try layer.step(fixture.inputs(), overlap: .none)
            do {
                try enqueue()
                try layer.group.synchronize()
                throw ConformanceFailure("a GEMM without what it waits for ended well")
            } catch GroupError.waitTimedOut(let fault, _, let others) {
                try layer.group.reset()
                return ([fault] + others).filter { $0.rank == 3 }
            }
        }
        // The others announce how many rows they send; rank 3 itself does not.
        let counts = try faults {
            for rank in layer.group.ranks[..<3] { try rank.dispatchNothing() }
            try layer.layers[last.index].enqueueAlone(.gateUp)
        }
        guard counts.count == 1, counts[0].kernel == .gateUp, case .rowCount(_, source: 3) = counts[0].subject,
            counts[0].seen < counts[0].expected
        else { throw ConformanceFailure("without rank 3's counts the faults are \(counts)") }
        let blocks = try faults { try layer.layers[last.index].enqueueAlone(.down) }
        guard blocks.count == 1, blocks[0].kernel == .down, case .block(let expert, 0) = blocks[0].subject,
            (3 * shape.localExperts..<4 * shape.localExperts).contains(expert)
        else { throw ConformanceFailure("without gate and up the faults are \(blocks)") }
    }
}

/// Faults come in the order of their times.
private func requireInOrder(_ faults: [WaitFault]) throws {
    try require(faults.map(\.time) == faults.map(\.time).sorted(), "faults are not in the order of time: \(faults)")
}

/// A captured step gives the bits of a direct one, whatever inputs and token counts it is replayed with, though it
/// discards rows where the direct one keeps them.
private func replayCase(_ mode: OverlapMode) -> ConformanceCase {
    ConformanceCase("replay with changing inputs, \(mode)") { device in
        let shape = try smallShape(sharedExperts: 1)
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
            do {
                _ = try layer.observedExperts(inputs)
                throw ConformanceFailure(
                    "tokens \(tokens): rows were read that the step had discarded")
            } catch GroupError.rowsDiscarded {}
        }
    }
}

/// Replays follow each other without the host in between. No rank may run so far ahead that it overwrites what another
/// one has not read, also when neither has a token for the other.
private func rowOfReplaysCase(_ mode: OverlapMode) -> ConformanceCase {
    ConformanceCase("replays in a row, \(mode)") { device in
        let shape = try smallShape(ranks: 4)
        for pattern in [LayerFixture.Pattern.random, .firstRank, .nothing] {
            let fixture = LayerFixture(shape, tokens: [8, 0, 1, 5], pattern: pattern)
            for communicating in mode == .singleBatch ? [0, fixture.split(of: device)] : [0] {
                let layer = try fixture.layer(on: device, communicating: communicating)
                let inputs = fixture.inputs()
                let direct = try layer.step(inputs, overlap: .none)
                let captured = try layer.capture(overlap: mode)
                for _ in 0..<10 { try layer.replay(captured) }
                try layer.group.synchronize()
                try requireIdentical(
                    "\(pattern), \(communicating) communicating", try layer.outputs(inputs), direct,
                    hidden: shape.hidden)
            }
        }
    }
}

/// In an overlapped step the combine really waits for the GEMM: some polls find their block not ready.
private func pollCase() -> ConformanceCase {
    ConformanceCase("the overlapped combine polls before blocks are ready") { device in
        let fixture = LayerFixture(try smallShape(), tokens: [8, 8])
        let layer = try fixture.layer(on: device, communicating: fixture.split(of: device))
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
        try checkDroppedSignal(.singleBatch, on: device) { layer, faults in
            guard var expected = faults.first(where: { $0.rank == 1 }) else {
                throw ConformanceFailure("rank 1 is missing in \(faults)")
            }
            let fault = expected
            (expected.kernel, expected.subject) = (.combineSend, .block(expert: 7, block: 0))
            let configuration = layer.group.configuration
            let down = configuration.shape.expertsOfRank(blockM: configuration.blockM)
                .down(multiprocessors: configuration.multiprocessors)
            let tiles = UInt64(down.tilesAcross)
            (expected.expected, expected.seen) = (tiles, tiles - 1)
            try require(fault == expected, "the fault is \(fault), expected \(expected)")
        }
    }
}

/// A tile of the direct mode that is never announced leaves its rows' home waiting, which says so.
private func droppedTileCase() -> ConformanceCase {
    ConformanceCase("a tile that is not announced is reported by its rows' home") { device in
        try checkDroppedSignal(.direct, on: device) { _, faults in
            for fault in faults {
                guard fault.kernel == .combineReceive, case .result(expert: 7, _, source: 1) = fault.subject else {
                    throw ConformanceFailure("a fault is \(fault)")
                }
            }
            try require(faults.count == 2, "\(faults.count) ranks timed out, expected 2")
        }
    }
}

/// A step without one add fails as `check` says, no step follows before a reset, and the next one after it is right.
private func checkDroppedSignal(
    _ mode: OverlapMode, on device: any Device, _ check: (MoELayerGroup, [WaitFault]) throws -> Void
) throws {
    let shape = try smallShape()
    let fixture = LayerFixture(shape, tokens: [8, 8], pattern: .allToOne)
    let dropped = MoELayerGroup.DroppedSignal(rank: 1, expert: 3, block: 0)
    let inputs = fixture.inputs()
    for communicating in mode == .singleBatch ? [fixture.split(of: device), 0] : [0] {
        let layer = try fixture.layer(
            on: device, communicating: communicating, waitLimit: waitLimit(device), droppedSignal: dropped)
        let plain = try layer.step(inputs, overlap: .none)
        do {
            _ = try layer.step(inputs, overlap: mode)
            throw ConformanceFailure("the step ended as if no signal had been dropped")
        } catch GroupError.waitTimedOut(let fault, _, let others) {
            try requireInOrder([fault] + others)
            try check(layer, [fault] + others)
        }
        do {
            _ = try layer.step(inputs, overlap: .none)
            throw ConformanceFailure("a step after a failed one was not refused")
        } catch GroupError.needsReset {}
        try layer.group.reset()
        try requireIdentical("after the reset", try layer.step(inputs, overlap: .none), plain, hidden: shape.hidden)
    }
}

/// Modelled links change no bit, and no step is over before its links can have carried its rows.
private func linkCase() -> ConformanceCase {
    ConformanceCase("links delay rows and change no bit") { device in
        let shape = try smallShape(sharedExperts: 1)
        let fixture = LayerFixture(shape, tokens: [8, 5], sharedIntermediate: 128)
        let inputs = fixture.inputs()
        let plain = try fixture.layer(on: device).step(inputs, overlap: .none)
        let link = try LinkModel(bytesPerSecond: 2e8, latencyNanoseconds: 3_000)
        let layer = try fixture.layer(on: device, link: link)
        let window = RankWindow(shape, .float8, link: link)
        let rows = inputs[0].routing.experts.filter { $0 >= shape.localExperts }.count
        let least =
            link.microseconds(bytes: rows * window.dispatchedBytes) + link.microseconds(bytes: window.combinedBytes)
        try requireDelay(layer, inputs, atLeast: least, of: "links", sameAs: plain)
    }
}

/// Many replays of the same graphs with other inputs each time, for GPUs.
func manyReplaysCases() -> [ConformanceCase] {
    [1, 2, 4, 8].flatMap { ranks in
        [false, true].map { linked in
            ConformanceCase("1000 replays with changing routing, \(ranks) ranks" + (linked ? ", links" : "")) {
                device in
                let shape = try LayerShape(
                    hidden: 1024, intermediate: 256, experts: 16, topK: 4, ranks: ranks, maxTokens: 16, sharedExperts: 1
                )
                let link = linked ? try LinkModel(bytesPerSecond: 160e9, latencyNanoseconds: 2_000) : nil
                let tokens = (0..<ranks).map { [16, 3, 0, 7][$0 % 4] }
                let fixture = LayerFixture(shape, tokens: tokens, pattern: .sparse, sharedIntermediate: 256)
                let layer = try fixture.layer(on: device, link: link)
                let inputs = (0..<20).map { fixture.inputs(step: $0) }
                let expected = try inputs.map { try layer.step($0, overlap: .none) }
                for mode in OverlapMode.allCases {
                    let captured = try layer.capture(overlap: mode)
                    for replay in 0..<1_000 {
                        let step = (replay &* 7) % inputs.count
                        try layer.group.load(inputs[step])
                        try layer.replay(captured)
                        try layer.group.synchronize()
                        try requireIdentical(
                            "\(mode), replay \(replay)", try layer.outputs(inputs[step]), expected[step],
                            hidden: shape.hidden)
                    }
                }
            }
        }
    }
}
