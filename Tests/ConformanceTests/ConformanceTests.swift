import Accelerator
import Conformance
import ExpertKernels
import ExpertParallel
import Testing

/// The cases that every device passes, on the simulator. `swiftep verify --device cuda` runs the same ones on a GPU.
@Suite struct ConformanceTests {
    @Test(arguments: ConformanceSuite.cases(for: .simulator))
    func passesOnTheSimulator(_ conformanceCase: ConformanceCase) throws {
        try conformanceCase.run(on: SimulatedDevice(seed: 1))
    }

    /// Other seeds are other interleavings of all warps and other moments at which asynchronous work completes.
    @Test(arguments: 2..<10 as Range<UInt64>)
    func protocolsHoldUnderOtherSchedules(_ seed: UInt64) throws {
        let chosen = [
            "layer hidden=256 intermediate=128 experts=8 topK=2 tokens=[5, 2] pattern=random shared=128",
            "replay with changing inputs, singleBatch", "replay with changing inputs, twoBatch",
            "replay with changing inputs, direct",
            "dispatch and combine float8 tokens=[3, 7, 1, 6]",
        ]
        let cases = ConformanceSuite.cases(for: .simulator).filter { chosen.contains($0.name) }
        try #require(cases.count == chosen.count, "a case was renamed")
        for conformanceCase in cases { try conformanceCase.run(on: SimulatedDevice(seed: seed)) }
    }

    /// Every kernel in every configuration whose ordering is its own, under a few schedules of the judge. `swiftep
    /// explore` runs more.
    @Test func workloadsAreClean() throws {
        let workloads = try Workload.all()
        #expect(Set(workloads.map(\.name)).count == workloads.count)
        for finding in try Survey(workloads: workloads, schedules: 2).run() {
            #expect(finding.failures.isEmpty, "\(finding.workload): \(finding.failures)")
            #expect(finding.schedules == 2)
        }
    }

    /// The workloads run every kind of kernel there is.
    @Test func workloadsRunAllKernels() throws {
        let launched = try Set(Workload.all().flatMap { try $0.plain().kernels }.map(\.name))
        let shape = try LayerShape(hidden: 256, intermediate: 128, experts: 4, topK: 2, ranks: 2, maxTokens: 2)
        let all = try KernelCatalogue(shape).kernels + StreamDirection.allCases.map { try streamKernel($0) }
        let kinds = Set(launched.map { MutationSurvey.kind($0) })
        #expect(Set(all.map { MutationSurvey.kind($0.name) }).isSubset(of: kinds))
        // Every GEMM of a layer, for a shape that all modes run.
        let narrow = try LayerShape(hidden: 128, intermediate: 128, experts: 2, topK: 2, ranks: 2, maxTokens: 2)
        let configuration = GroupConfiguration(shape: narrow, deviceMultiprocessors: 4)
        let experts = narrow.expertsOfRank(blockM: configuration.blockM)
        for gemm in ExpertGEMM.allCases {
            let kernel = try groupedGEMMKernel(
                experts.configuration(
                    gemm, window: RankWindow(narrow, .float8), multiprocessors: configuration.multiprocessors))
            #expect(launched.contains(kernel.name), "no workload launches \(gemm)")
        }
    }

    /// Whatever the rules are by which tiles are split or not, some workload does each.
    @Test func workloadsSplitTilesAndLeaveThemWhole() throws {
        let names = try Workload.all().map(\.name)
        for blockM in TileShape.heights {
            let gemms = names.filter { $0.hasPrefix("gemm ") && $0.contains("blockM=\(blockM) ") }
            let fused = names.filter { $0.hasPrefix("activation ") && $0.contains("blockM=\(blockM),") }
            #expect(gemms.contains { $0.contains("split along K") }, "\(gemms)")
            for names in [gemms, fused] {
                #expect(names.contains { !$0.contains("split along K") }, "\(names)")
            }
        }
    }

    @Test func namesAreUnique() {
        let names = ConformanceSuite.cases(for: .cuda).map(\.name)
        #expect(Set(names).count == names.count)
    }

    /// Reasons for what no survey finds are taken out when they explain nothing any more.
    @Test func reasonsThatExplainNothingAreNoticed() {
        #expect(Redundancy.stale(in: []).map(\.mutation) == Redundancy.all.map(\.mutation))
    }
}
