import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage
import Transport

/// A test of ranks divided among processes, which all of them run together.
package struct ProcessCase: Sendable {
    /// Unique name with all values that tell it from its neighbours.
    package let name: String
    private let body: @Sendable (ProcessGroup) throws -> Void
    private let ranksPerProcess: Int

    fileprivate init(
        _ name: String, ranksPerProcess: Int, _ body: @escaping @Sendable (ProcessGroup) throws -> Void
    ) {
        self.name = name
        self.ranksPerProcess = ranksPerProcess
        self.body = body
    }

    /// Runs the part of one process.
    ///
    /// - Throws: `ConformanceFailure` for a wrong result, or what the library threw.
    package func run(_ rendezvous: Rendezvous, on device: any Device) throws {
        let group = try ProcessGroup(
            rendezvous, ranks: rendezvous.processes * ranksPerProcess, device: device,
            agreeing: [("the case", name)])
        try body(group)
        try rendezvous.barrier("the end of a case", within: 120)
    }
}

/// Cases for ranks divided among processes: their outputs equal those of the same ranks in one process, bit for bit.
///
/// Every process runs all ranks by itself first, on its own device; that is what it compares with.
package func processCases(for kind: DeviceProperties.Kind, processes: Int) -> [ProcessCase] {
    let small = [1, 2].map { ranksPerProcess in
        let ranks = processes * ranksPerProcess
        return processCase(
            hidden: 256, intermediate: 128, experts: ranks * 2, topK: min(4, ranks * 2),
            ranksPerProcess: ranksPerProcess,
            tokens: (0..<ranks).map { [5, 0, 8, 3][$0 % 4] }, shared: 128)
    }
    let padded = processCase(
        hidden: 200, intermediate: 72, experts: processes * 2, topK: 2, ranksPerProcess: 1,
        tokens: (0..<processes).map { [5, 0, 8, 3][$0 % 4] }, shared: 72)
    guard kind == .cuda else { return small + [padded] }
    return small + [
        padded,
        processCase(
            hidden: 7168, intermediate: 2048, experts: 32, topK: 8, ranksPerProcess: 1,
            tokens: [Int](repeating: 32, count: processes), shared: 2048),
        processCase(
            hidden: 2048, intermediate: 768, experts: 128, topK: 8, ranksPerProcess: 1,
            tokens: (0..<processes).map { [128, 17, 0, 64][$0 % 4] }),
    ]
}

private func processCase(
    hidden: Int, intermediate: Int, experts: Int, topK: Int, ranksPerProcess: Int, tokens: [Int], shared: Int? = nil
) -> ProcessCase {
    let name =
        "processes hidden=\(hidden) intermediate=\(intermediate) experts=\(experts) topK=\(topK) tokens=\(tokens) "
        + "shared=\(shared ?? 0) ranks of each=\(ranksPerProcess)"
    return ProcessCase(name, ranksPerProcess: ranksPerProcess) { processes in
        let shape = try LayerShape(
            hidden: hidden, intermediate: intermediate, experts: experts, topK: topK, ranks: tokens.count,
            maxTokens: max(1, tokens.max() ?? 1),
            sharedExperts: ExpertWeights.parts(ofShared: shared, intermediate: intermediate))
        let fixture = LayerFixture(shape, tokens: tokens, sharedIntermediate: shared)
        try check(fixture, processes)
    }
}

/// Two steps in every mode, then replays with other inputs, and the same after a reset.
private func check(_ fixture: LayerFixture, _ processes: ProcessGroup) throws {
    let (shape, local) = (fixture.shape, processes.localRanks)
    let expected = try expectedOutputs(fixture, processes, steps: 4)
    var configuration = GroupConfiguration(
        shape: shape, deviceMultiprocessors: processes.device.properties.multiprocessors,
        ranksOnDevice: processes.ranksOnDevice, communicationMultiprocessors: 1, waitLimit: 60)
    configuration.twoBatch = true
    let layer = try MoELayerGroup(
        RankGroup(processes: processes, configuration: configuration), shared: fixture.shared(),
        weights: fixture.weights)
    for mode in OverlapMode.allCases {
        for step in 0..<2 {
            let found = try layer.step(Array(fixture.inputs(step: step)[local]), overlap: mode)
            try requireIdentical(
                "step \(step), \(mode), ranks \(local)", found, Array(expected[step][local]), hidden: shape.hidden)
        }
        let captured = try layer.capture(overlap: mode)
        for step in 2..<4 {
            let inputs = Array(fixture.inputs(step: step)[local])
            try layer.group.load(inputs)
            try layer.replay(captured)
            try layer.group.synchronize()
            try requireIdentical(
                "replay of step \(step), \(mode), ranks \(local)", try layer.outputs(inputs),
                Array(expected[step][local]), hidden: shape.hidden)
        }
    }
    try layer.group.reset()
    let again = try layer.step(Array(fixture.inputs()[local]), overlap: .singleBatch)
    try requireIdentical(
        "a step after a reset, ranks \(local)", again, Array(expected[0][local]), hidden: shape.hidden)
}

/// The outputs of all ranks in one process, by step.
private func expectedOutputs(
    _ fixture: LayerFixture, _ processes: ProcessGroup, steps: Int
) throws -> [[[BFloat16]]] {
    let layer = try fixture.layer(on: processes.device, waitLimit: 60)
    return try (0..<steps).map { try layer.step(fixture.inputs(step: $0), overlap: .none) }
}
