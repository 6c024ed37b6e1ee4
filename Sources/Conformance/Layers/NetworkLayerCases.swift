import Accelerator
import ExpertKernels
import ExpertParallel
import Simulator

/// Layers whose ranks reach each other by a network adapter: the loopback on every device, the engine where there is
/// one.
func networkLayerCases(for kind: DeviceProperties.Kind) -> [ConformanceCase] {
    let loopback = NetworkWay(network: GroupNetwork(.loopback))
    var ways = [
        loopback, NetworkWay(network: GroupNetwork(.loopback, ranksPerNode: 2)),
        NetworkWay(network: GroupNetwork(.loopback, model: NetworkWay.card)),
    ]
    if kind == .simulator {
        ways += NetworkConfiguration.Order.allCases.map { NetworkWay(network: GroupNetwork(.engine), order: $0) }
        ways.append(NetworkWay(network: GroupNetwork(.engine, ranksPerNode: 2)))
    }
    var cases: [ConformanceCase] = []
    for ranks in [2, 4] {
        for way in ways where way.network.ranksPerNode < ranks { cases.append(sameBitsCase(way, ranks: ranks)) }
    }
    cases.append(sizesCase(loopback))
    // The last node has one rank.
    for way in ways where way.network.ranksPerNode == 2 { cases.append(sameBitsCase(way, ranks: 3)) }
    for way in ways { cases += [absentRankCase(way), failedStepCase(way)] }
    cases += networkReadmissionCases(ways)
    cases += [cardCase(), refusalCase()]
    return cases
}

/// All modes have the bits of load and store, direct and replayed, step after step.
private func sameBitsCase(_ way: NetworkWay, ranks: Int) -> ConformanceCase {
    ConformanceCase("layer by network \(way.name), \(ranks) ranks") { device in
        let device = way.device(device)
        let fixture = try networkFixture(ranks: ranks)
        let plain = try fixture.layer(on: device)
        var settings: [(Int, Bool, FailurePolicy)] = [(fixture.split(of: device), true, .mask)]
        if ranks == 2 { settings.append((0, false, .stop)) }
        for (communicating, notes, policy) in settings {
            let layer = try way.layer(
                fixture, on: device, communicating: communicating, notesArrivals: notes, onFailure: policy)
            for mode in way.modes {
                let captured = try layer.capture(overlap: mode, steps: 2)
                for step in 0..<2 {
                    let inputs = fixture.inputs(step: step)
                    let expected = try plain.step(inputs, overlap: .none)
                    try requireIdentical(
                        "\(mode), step \(step)", try layer.step(inputs, overlap: mode), expected,
                        hidden: fixture.shape.hidden)
                    try layer.clearOutputs()
                    try layer.replay(captured)
                    try layer.group.synchronize()
                    try requireIdentical(
                        "\(mode), step \(step), replayed", try layer.outputs(inputs), expected,
                        hidden: fixture.shape.hidden)
                }
            }
            if policy == .mask {
                try require(try layer.group.maskedRanks().allSatisfy(\.isEmpty), "somebody is masked")
            }
        }
    }
}

/// Choices that fill a header, and rows of other sizes.
private func sizesCase(_ way: NetworkWay) -> ConformanceCase {
    ConformanceCase("layer by network \(way.name), sizes") { device in
        for (hidden, experts, topK) in [(128, 4, 1), (512, 16, 11), (384, 8, 8), (200, 8, 3)] {
            let shape = try LayerShape(
                hidden: hidden, intermediate: 128, experts: experts, topK: topK, ranks: 2, maxTokens: 17)
            let fixture = LayerFixture(shape, tokens: [17, 5], pattern: .random)
            let inputs = fixture.inputs()
            let expected = try fixture.layer(on: device).step(inputs, overlap: .none)
            let layer = try way.layer(fixture, on: device)
            for mode in OverlapMode.allCases {
                try requireIdentical(
                    "hidden=\(hidden) topK=\(topK), \(mode)", try layer.step(inputs, overlap: mode), expected,
                    hidden: hidden)
            }
        }
    }
}

/// Ranks that take no part are masked by all others, whose steps are right without them.
private func absentRankCase(_ way: NetworkWay) -> ConformanceCase {
    ConformanceCase("absent ranks are masked, network \(way.name)") { device in
        let fixture = try networkFixture(ranks: 4)
        for mode in way.modes {
            // Puts to a rank that does nothing are written all the same.
            let device = way.device(device)
            let layer = try way.layer(fixture, on: device, waitLimit: maskWaitLimit(device), onFailure: .mask)
            try requireRight(layer, fixture, step: 0, without: [], mode, "\(mode), before")
            for step in 1..<3 {
                try requireRight(layer, fixture, step: step, without: [1], mode, "\(mode), step \(step)")
                try requireMasked(layer.group, [1], "\(mode), step \(step)")
            }
        }
    }
}

/// A step that fails is an error where ranks are not masked, and after a reset counters of both sides agree again.
private func failedStepCase(_ way: NetworkWay) -> ConformanceCase {
    ConformanceCase("a failed step and a reset, network \(way.name)") { device in
        let device = way.device(device)
        let fixture = try networkFixture(ranks: 4, .random)
        let layer = try way.layer(fixture, on: device, waitLimit: maskWaitLimit(device))
        let inputs = fixture.inputs()
        let expected = try fixture.layer(on: device).step(inputs, overlap: .none)
        for mode in way.modes {
            try requireIdentical(
                "\(mode), before", try layer.step(inputs, overlap: mode), expected, hidden: fixture.shape.hidden)
            try layer.group.load(inputs)
            for rank in layer.group.ranks.dropLast() { try layer.enqueue(rank, overlap: mode) }
            if mode != .twoBatch { try layer.group.ranks[3].dispatchNothing() }
            do {
                try layer.group.synchronize()
                throw ConformanceFailure("\(mode): the step ended without rank 3")
            } catch GroupError.waitTimedOut(let fault, _, _) {
                try require(fault.source == 3, "\(mode): \(fault)")
            }
            try layer.group.reset()
            for step in 0..<2 {
                try requireIdentical(
                    "\(mode), step \(step) after", try layer.step(inputs, overlap: mode), expected,
                    hidden: fixture.shape.hidden)
            }
        }
    }
}

/// Modelled cards change no bit, and no step is over before they can have sent its rows.
private func cardCase() -> ConformanceCase {
    ConformanceCase("network cards delay rows and change no bit") { device in
        let fixture = try networkFixture(ranks: 2)
        let shape = fixture.shape
        let inputs = fixture.inputs()
        let plain = try fixture.layer(on: device).step(inputs, overlap: .none)
        // First the wire holds rows up, then the engine.
        for (rate, cost) in [(2e8, 500), (50e9, 4_000)] {
            let model = try NetworkModel(bytesPerSecond: rate, latencyNanoseconds: 3_000, messageNanoseconds: cost)
            let layer = try fixture.layer(on: device, network: GroupNetwork(.loopback, model: model))
            let window = RankWindow(shape, .float8, network: .loopback)
            let rows = inputs[0].routing.experts.count { $0 >= shape.localExperts }
            try require(rows > 1, "\(rows) rows go out")
            let least =
                model.microseconds(messages: rows, bytes: window.networkPacketBytes)
                + model.microseconds(bytes: shape.paddedHidden * 2)
            try requireDelay(layer, inputs, atLeast: least, of: "cards of \(model)", sameAs: plain)
        }
    }
}

/// Options that do not go together with a network are refused.
private func refusalCase() -> ConformanceCase {
    ConformanceCase("what a network refuses") { device in
        let shape = try networkFixture(ranks: 2).shape
        func refuses(_ change: (inout GroupConfiguration) throws -> Void, _ expected: GroupError) throws {
            var configuration = GroupConfiguration(
                shape: shape, deviceMultiprocessors: device.properties.multiprocessors)
            configuration.network = GroupNetwork(.loopback)
            try change(&configuration)
            do {
                _ = try RankGroup(device: device, configuration: configuration)
                throw ConformanceFailure("not refused: \(expected)")
            } catch let error as GroupError {
                try require(error == expected, "refused with \(error), expected \(expected)")
            }
        }
        try refuses({ $0.link = try LinkModel(bytesPerSecond: 1e9, latencyNanoseconds: 500) }, .networkWithLink)
        let model = try NetworkModel(bytesPerSecond: 1e9, latencyNanoseconds: 500, messageNanoseconds: 100)
        try refuses({ $0.network = GroupNetwork(.engine, model: model) }, .modelOfEngine)
        try refuses({ $0.network?.ranksPerNode = 0 }, .ranksPerNode(0, ranks: 2))
        if device.properties.kind == .cuda { try refuses({ $0.network?.adapter = .engine }, .noNetworkEngine) }
    }
}
