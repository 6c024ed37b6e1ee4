import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

/// Ranks that go on without others.
func maskCases() -> [ConformanceCase] {
    [1, 3].map { sameBitsCase($0) } + [sameBitsCase(3, hidden: 200)] + OverlapMode.allCases.map(absentRankCase)
        + OverlapMode.allCases.map(rejoiningCase) + [silentRankCase(), hostMaskCase(), gateCase()]
}

private func shape(ranks: Int, hidden: Int = 256) throws -> LayerShape {
    try LayerShape(
        hidden: hidden, intermediate: 128, experts: 12, topK: 3, ranks: ranks, maxTokens: 6, sharedExperts: 1)
}

private func fixture(
    ranks: Int, hidden: Int = 256, _ pattern: LayerFixture.Pattern = .sparse, gate: Bool = false
) throws -> LayerFixture {
    LayerFixture(
        try shape(ranks: ranks, hidden: hidden), tokens: (0..<ranks).map { [6, 3, 0, 5][$0] }, pattern: pattern,
        sharedIntermediate: 128, hasSharedGate: gate)
}

/// Seconds that a correct step never waits: long enough for a rank to show that it is alive, on the simulator between
/// leaps of up to 10 ms.
package func maskWaitLimit(_ device: any Device) -> Double { device.properties.kind == .cuda ? 0.5 : 0.25 }

/// With nobody masked, all modes have the bits of a group that stops at failures, direct and replayed.
private func sameBitsCase(_ ranks: Int, hidden: Int = 256) -> ConformanceCase {
    let name = "masks change no bit, \(ranks) ranks" + (hidden == 256 ? "" : ", hidden=\(hidden)")
    return ConformanceCase(name) { device in
        let fixture = try fixture(ranks: ranks, hidden: hidden)
        let plain = try fixture.layer(on: device)
        for (communicating, notes) in [(0, false), (fixture.split(of: device), true)] {
            let layer = try fixture.layer(
                on: device, communicating: communicating, notesArrivals: notes, onFailure: .mask)
            for mode in OverlapMode.allCases {
                let captured = try layer.capture(overlap: mode)
                for step in 0..<2 {
                    let inputs = fixture.inputs(step: step)
                    let expected = try plain.step(inputs, overlap: .none)
                    try requireIdentical(
                        "\(mode)", try layer.step(inputs, overlap: mode), expected, hidden: fixture.shape.hidden)
                    try layer.replay(captured)
                    try layer.group.synchronize()
                    try requireIdentical(
                        "\(mode), replayed", try layer.outputs(inputs), expected, hidden: fixture.shape.hidden)
                }
            }
            let inputs = fixture.inputs()
            let outputs = try layer.step(inputs, overlap: .direct)
            let judge = try LayerJudge(layer, inputs, shared: fixture.shared(), weights: fixture.weights)
            try require(judge.judge(outputs).passed, "the reference does not agree")
            try require(try layer.group.maskedRanks().allSatisfy(\.isEmpty), "somebody is masked")
        }
    }
}

/// A gate on the shared expert, whose weight counts as well where another rank's terms are missing.
private func gateCase() -> ConformanceCase {
    ConformanceCase("absent ranks are masked, with a gate on the shared expert") { device in
        let fixture = try fixture(ranks: 4, gate: true)
        let layer = try fixture.layer(on: device, waitLimit: maskWaitLimit(device), onFailure: .mask)
        for (step, absent) in [[], [1], [1]].enumerated() {
            for mode in step == 1 ? [OverlapMode.none] : OverlapMode.allCases {
                try requireRight(layer, fixture, step: step, without: Set(absent), mode, "\(mode), step \(step)")
            }
            try requireMasked(layer.group, Set(absent), "step \(step)")
        }
    }
}

/// Fails unless every rank that took part has masked exactly these ranks.
func requireMasked(_ group: RankGroup, _ expected: Set<Int>, _ what: String) throws {
    for (rank, masked) in try group.maskedRanks().enumerated() where !expected.contains(rank) {
        let found = Set(masked.map(\.rank))
        try require(
            found == expected, "\(what): rank \(rank) has masked \(masked), expected ranks \(expected.sorted())")
    }
}

/// A step of the ranks that take part, judged by the reference.
func requireRight(
    _ layer: MoELayerGroup, _ fixture: LayerFixture, step: Int, without absent: Set<Int>, _ mode: OverlapMode,
    _ what: String
) throws {
    let inputs = fixture.inputs(step: step)
    try layer.group.load(inputs)
    for rank in layer.group.ranks where !absent.contains(rank.index) {
        try layer.enqueue(rank, overlap: mode, keepingRows: true)
    }
    try layer.group.synchronize()
    // A step in halves keeps no rows for the reference.
    var outputs = try layer.outputs(inputs)
    if mode == .twoBatch {
        let halves = outputs
        try requireRight(layer, fixture, step: step, without: absent, .none, "\(what), in one batch")
        outputs = try layer.outputs(inputs)
        for rank in outputs.indices where !absent.contains(rank) {
            try requireIdentical(
                "\(what), halves of rank \(rank)", [halves[rank]], [outputs[rank]], hidden: fixture.shape.hidden)
        }
        return
    }
    let judge = try LayerJudge(
        layer, inputs, missing: MissingRanks(absent: absent), shared: fixture.shared(), weights: fixture.weights)
    let verdict = judge.judge(outputs)
    try require(verdict.passed, "\(what): relative error \(verdict.relativeError)")
}

/// Ranks that take no part are masked by all others, whose steps are right without them, at once and afterwards.
private func absentRankCase(_ mode: OverlapMode) -> ConformanceCase {
    ConformanceCase("absent ranks are masked, \(mode)") { device in
        for (ranks, absent) in [(2, [1]), (4, [0]), (4, [1, 3])] as [(Int, Set<Int>)] {
            let fixture = try fixture(ranks: ranks)
            let layer = try fixture.layer(on: device, waitLimit: maskWaitLimit(device), onFailure: .mask)
            let what = "\(mode), \(absent.sorted()) of \(ranks) absent"
            try requireRight(layer, fixture, step: 0, without: [], mode, what + ", before")
            for step in 1..<3 {
                try requireRight(layer, fixture, step: step, without: absent, mode, what + ", step \(step)")
                try requireMasked(layer.group, absent, what)
            }
            for masked in try layer.group.maskedRanks().joined() {
                guard case .wait(let fault) = masked.cause, case .rowCount(_, masked.rank) = fault.subject,
                    fault.kernel == .dispatchReceive
                else { throw ConformanceFailure("\(what): \(masked)") }
            }
        }
    }
}

/// Rows that are announced and never sent do not hold up the others.
private func silentRankCase() -> ConformanceCase {
    ConformanceCase("a rank that tells rows and sends none is masked") { device in
        let fixture = try fixture(ranks: 4, .random)
        for mode in OverlapMode.allCases where mode != .twoBatch {
            let layer = try fixture.layer(on: device, waitLimit: maskWaitLimit(device), onFailure: .mask)
            try layer.group.load(fixture.inputs())
            for rank in layer.group.ranks.dropFirst() { try layer.enqueue(rank, overlap: mode) }
            try layer.group.ranks[0].dispatchNothing()
            try layer.group.synchronize()
            try requireMasked(layer.group, [0], "\(mode)")
            try requireRight(layer, fixture, step: 1, without: [0], mode, "\(mode), afterwards")
        }
    }
}

/// A rank that was late comes back, and the group has the bits of one that never lost it.
private func rejoiningCase(_ mode: OverlapMode) -> ConformanceCase {
    ConformanceCase("a masked rank comes back, \(mode)") { device in
        let fixture = try fixture(ranks: 4)
        let plain = try fixture.layer(on: device)
        let layer = try fixture.layer(on: device, waitLimit: maskWaitLimit(device), onFailure: .mask)
        let captured = try layer.capture(overlap: mode)
        let late = layer.group.ranks[1]
        try requireRight(layer, fixture, step: 0, without: [], mode, "before")
        for round in 0..<2 {
            // It is lost in the middle of its step.
            if round == 1 {
                _ = try late.dispatch()
                try late.synchronize()
            }
            try requireRight(layer, fixture, step: 1, without: [1], mode, "without it")
            let others = layer.group.ranks.filter { $0 !== late }
            // A rank that has not noticed by itself masks it as well.
            for rank in others where try !rank.maskedRanks().contains(where: { $0.rank == 1 }) { try rank.mask(1) }
            try late.adopt(step: others[0].currentStep())
            for rank in others { try rank.unmask(1) }
            for step in 2..<5 {
                let inputs = fixture.inputs(step: step)
                try layer.group.load(inputs)
                try layer.replay(captured)
                try layer.group.synchronize()
                try requireIdentical(
                    "round \(round), step \(step)", try layer.outputs(inputs), plain.step(inputs, overlap: .none),
                    hidden: fixture.shape.hidden)
            }
            try require(try layer.group.maskedRanks().allSatisfy(\.isEmpty), "somebody is masked")
        }
    }
}

/// What the host masks is neither waited for nor sent to.
private func hostMaskCase() -> ConformanceCase {
    ConformanceCase("the host masks ranks") { device in
        let fixture = try fixture(ranks: 4)
        let layer = try fixture.layer(on: device, waitLimit: maskWaitLimit(device), onFailure: .mask)
        for rank in layer.group.ranks where rank.index != 2 { try rank.mask(2) }
        for mode in OverlapMode.allCases {
            try requireRight(layer, fixture, step: 0, without: [2], mode, "\(mode)")
            for (rank, masked) in try layer.group.maskedRanks().enumerated() where rank != 2 {
                try requireEqual("\(mode): masks of rank \(rank)", masked, [MaskedRank(rank: 2, cause: .host)])
            }
        }
        do {
            try layer.group.ranks[1].mask(1)
            throw ConformanceFailure("a rank masked itself")
        } catch GroupError.notAPeer(1, of: 1, ranks: 4) {}
    }
}
