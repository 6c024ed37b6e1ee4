import Accelerator
import Conformance
import ExpertKernels
import ExpertParallel
import KernelLanguage
import Simulator
import Testing

/// More ranks than a warp has lanes.
@Suite struct ManyRanksTests {
    @Test(arguments: [33, 40, 64], DispatchFormat.allCases)
    func dispatchesAndCombines(_ ranks: Int, _ format: DispatchFormat) throws {
        let tokens = (0..<ranks).map { $0 % 7 == 0 ? 3 : $0 % 2 }
        try communicationCase(format, tokens: tokens).run(on: SimulatedDevice(seed: 1))
    }

    @Test(arguments: [32, 33, 70]) func waitAtBarriers(_ ranks: Int) throws {
        try barrierCase(ranks: ranks).run(on: SimulatedDevice(seed: 1))
    }

    @Test(arguments: [(33, 128), (40, 256), (64, 128)])
    func layersAreRight(_ ranks: Int, _ hidden: Int) throws {
        let shape = try LayerShape(
            hidden: hidden, intermediate: 128, experts: ranks, topK: 3, ranks: ranks, maxTokens: 2)
        let fixture = LayerFixture(shape, tokens: (0..<ranks).map { $0 % 3 }, pattern: .sparse)
        let layer = try fixture.layer(on: SimulatedDevice(seed: 1, multiprocessors: 2 * ranks), communicating: 1)
        let inputs = fixture.inputs()
        let plain = try layer.step(inputs, overlap: .none)
        let judge = try LayerJudge(layer, inputs, shared: nil, weights: fixture.weights)
        let verdict = judge.judge(plain)
        #expect(verdict.passed, "relative error \(verdict.relativeError)")
        for mode in OverlapMode.allCases where mode != .none {
            try requireIdentical("\(mode)", try layer.step(inputs, overlap: mode), plain, hidden: hidden)
        }
    }

    /// The rank that is missing is named, whichever 32 it is of.
    @Test(arguments: [1, 31, 32, 38]) func anAbsentRankIsNamed(_ absent: Int) throws {
        let ranks = 39
        let shape = try LayerShape(
            hidden: 128, intermediate: 128, experts: ranks, topK: 1, ranks: ranks, maxTokens: 1)
        let fixture = LayerFixture(shape, tokens: (0..<ranks).map { _ in 1 })
        for mode in [OverlapMode.none, .direct] {
            let layer = try fixture.layer(
                on: SimulatedDevice(seed: 1, multiprocessors: 2 * ranks), waitLimit: 0.02, halves: false)
            try layer.group.load(fixture.inputs())
            for rank in layer.group.ranks where rank.index != absent { try layer.enqueue(rank, overlap: mode) }
            do {
                try layer.group.synchronize()
                Issue.record("\(mode): the step ended although rank \(absent) took no part")
            } catch GroupError.waitTimedOut(let fault, _, let others) {
                for fault in [fault] + others {
                    guard case .rowCount(_, source: absent) = fault.subject else {
                        Issue.record("\(mode): a fault is \(fault)")
                        return
                    }
                }
            }
        }
    }

    /// Kernels of the largest layers there are can be programs, and fit a multiprocessor.
    @Test(arguments: [(7168, 256, 1_024, 8, 128), (7168, 256, 256, 8, 128), (12_800, 256, 1_024, 32, 16)])
    func kernelsOfTheLargestGroupsFit(_ hidden: Int, _ ranks: Int, _ experts: Int, _ topK: Int, _ tokens: Int) throws {
        let shape = try LayerShape(
            hidden: hidden, intermediate: 2048, experts: experts, topK: topK, ranks: ranks, maxTokens: tokens,
            sharedExperts: 1)
        let device = SimulatedDevice(seed: 1)
        for kernel in try KernelCatalogue(shape).kernels {
            #expect(kernel.sharedBytes <= device.properties.sharedBytesPerBlock, "\(kernel.name)")
            _ = try device.load(kernel)
        }
    }

    @Test func moreRanksAreRefused() {
        #expect(throws: ShapeError(name: "ranks", value: 257, range: 1...256, step: 1)) {
            try LayerShape(hidden: 128, intermediate: 128, experts: 257, topK: 1, ranks: 257, maxTokens: 1)
        }
    }
}
