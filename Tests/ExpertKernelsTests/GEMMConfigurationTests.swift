import ExpertKernels
import Testing

/// What follows from a GEMM's problem, role and card.
@Suite("GEMM configuration")
struct GEMMConfigurationTests {
    private static let shape = ExpertShape(hidden: 7168, intermediate: 2048, experts: 17, maxRows: 256, blockM: 16)

    private static func window() throws -> RankWindow {
        RankWindow(
            try LayerShape(
                hidden: 7168, intermediate: 2048, experts: 32, topK: 8, ranks: 2, maxTokens: 128, sharedExperts: 1),
            .float8)
    }

    @Test("Kernels of a layer keep the names that goldens and notes call them by")
    func kernelNames() throws {
        let window = try Self.window()
        let names = try ExpertGEMM.allCases.map { gemm in
            try groupedGEMMKernel(Self.shape.configuration(gemm, window: window, multiprocessors: 132)).name
        }
        #expect(
            names == [
                "gemm_n4096_k7168_e17_r256_m16_swiglu_dependent",
                "gemm_n4096_k7168_e17_r256_m16_swiglu_signals_dependent_arriving_h7168_e32_k8_n2_s1",
                "gemm_n7168_k2048_e17_r256_m16_dependent",
                "gemm_n7168_k2048_e17_r256_m16_signals_dependent_follows",
                "gemm_n7168_k2048_e17_r256_m16_dependent_follows_home_h7168_e32_k8_n2_s1",
            ])
    }

    @Test("A dropped signal makes a kernel of its own, but only where tiles are counted")
    func droppedSignal() throws {
        for gemm in ExpertGEMM.allCases {
            var configuration = Self.shape.configuration(gemm, window: try Self.window(), multiprocessors: 132)
            let whole = try groupedGEMMKernel(configuration)
            configuration.droppedSignal = RowBlock(expert: 3, index: 1)
            let dropping = try groupedGEMMKernel(configuration)
            #expect((whole.name == dropping.name) == !configuration.role.countsTiles)
            #expect((whole.body == dropping.body) == !configuration.role.countsTiles)
        }
    }

    @Test(
        "A device gets the tuning of the card whose memory is the most like its own",
        arguments: [
            (nil, "H200, 4.9 TB/s"), (4_916_736_000_000, "H200, 4.916 TB/s"), (3_352_320_000_000, "H100, 3.352 TB/s"),
        ])
    func tuning(memory: Int?, description: String) {
        #expect("\(GEMMTuning.device(memoryBytesPerSecond: memory))" == description)
    }

    @Test(
        "The first weights of gate and up clear the L2 of an H200 where there are many",
        arguments: [(9, nil), (13, 28), (17, 28)])
    func clearing(experts: Int, kBlocks: Int?) throws {
        let shape = ExpertShape(hidden: 7168, intermediate: 2048, experts: experts, maxRows: 256, blockM: 16)
        for gemm in ExpertGEMM.allCases {
            var configuration = shape.configuration(gemm, window: try Self.window(), multiprocessors: 132)
            let begins = configuration.role.output == .swiGLU
            // 900 KB of weights, 32 KB in each k-block.
            #expect(configuration.kBlocksClearingL2 == (begins ? kBlocks : nil), "\(gemm), \(experts) experts")
            configuration.tuning = .h100
            #expect(configuration.kBlocksClearingL2 == nil, "\(gemm), \(experts) experts")
        }
    }

    @Test("A configuration prints part by part, and in one line")
    func description() {
        let configuration = Self.shape.down(.signalled(rowsAfter: 16), multiprocessors: 132)
        #expect(
            configuration.parts.map { "\($0.name): \($0.text)" } == [
                "problem: 17 x [256, 2048] x [7168, 2048]", "tile: 16x256x128 tiles",
                "role: signals, dependent launch, rows of a running GEMM",
                "pipeline: 6 stages of 34880 bytes, 4 consumer warp groups",
                "schedule: tiles split where less than 1/2 of the thread blocks have a last one",
                "tuning: H200, 4.9 TB/s",
            ])
        #expect(
            "\(configuration)"
                == "16x256x128 tiles, 6 stages, 17 x [256, 2048] x [7168, 2048], "
                + "signals, dependent launch, rows of a running GEMM")
    }
}
