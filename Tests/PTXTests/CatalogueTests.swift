import ExpertKernels
import KernelLanguage
import PTX
import TestSupport
import Testing

/// Every kernel in every configuration that is shipped.
@Suite struct CatalogueTests {
    static let shapes: [LayerShape] = {
        let sizes = [
            (7168, 2048, 32, 8, 2, 128), (7168, 2048, 256, 8, 16, 128), (2048, 768, 128, 8, 4, 64),
            (4096, 1536, 128, 8, 8, 32), (7168, 2048, 384, 8, 8, 64), (3584, 1024, 896, 16, 8, 32),
            (128, 128, 2, 1, 1, 1),
        ]
        return sizes.compactMap {
            try? LayerShape(
                hidden: $0.0, intermediate: $0.1, experts: $0.2, topK: $0.3, ranks: $0.4, maxTokens: $0.5)
        }
    }()

    /// Shapes for options of kernels, to which sizes matter less: the usual one, one with many experts, the smallest.
    static var someShapes: [LayerShape] { [1, 5, 6].map { shapes[$0] } }

    @Test func allShapesAreValid() { #expect(Self.shapes.count == 7) }

    @Test(.needsAssembler, arguments: shapes)
    func kernelsAssembleWithoutSpills(_ shape: LayerShape) throws {
        let catalogue = try KernelCatalogue(shape)
        for kernel in catalogue.kernels {
            let report = try Tool.assemble(kernel.ptx())
            let usage = try #require(report.usage(of: kernel.name))
            #expect(usage.spillStoreBytes == 0 && usage.spillLoadBytes == 0, "\(kernel.name) spills")
            #expect(report.warnings.isEmpty, "\(kernel.name): \(report.warnings)")
        }
    }

    /// Links, network cards, notes of arrivals and masks need registers of the warps that wait.
    @Test(.needsAssembler) func kernelsWithOptionsAssembleWithoutSpills() throws {
        let link = try LinkModel(bytesPerSecond: 50e9, latencyNanoseconds: 5_000)
        let card = try NetworkModel(bytesPerSecond: 50e9, latencyNanoseconds: 5_000, messageNanoseconds: 200)
        let plain = Set(try KernelCatalogue(Self.shapes[0]).kernels.map(\.digest))
        let others =
            try KernelCatalogue(Self.shapes[0], link: link, notesArrivals: true).kernels
            + KernelCatalogue(Self.shapes[0], notesArrivals: true, masks: true).kernels
            + KernelCatalogue(Self.shapes[0], network: .loopback).kernels
            + KernelCatalogue(Self.shapes[0], notesArrivals: true, network: .loopback, networkModel: card).kernels
        for kernel in others where !plain.contains(kernel.digest) {
            let usage = try #require(try Tool.assemble(kernel.ptx()).usage(of: kernel.name))
            #expect(usage.spillStoreBytes == 0 && usage.spillLoadBytes == 0, "\(kernel.name) spills")
        }
    }

    /// Sizes that are no multiples of 128, and those that they are rounded up to.
    private static func paddedShapes() throws -> (padded: LayerShape, whole: LayerShape) {
        func shape(_ size: Int) throws -> LayerShape {
            try LayerShape(hidden: size, intermediate: size, experts: 32, topK: 4, ranks: 2, maxTokens: 128)
        }
        return (try shape(2880), try shape(2944))
    }

    /// Only what reads or writes tokens, and the packing of weights, knows of padding.
    @Test(arguments: [false, true])
    func paddingChangesKernelsOfTokensAndWeights(_ masks: Bool) throws {
        let (padded, whole) = try Self.paddedShapes()
        let known = Set(try KernelCatalogue(whole, masks: masks).kernels.map(\.digest))
        let own = try KernelCatalogue(padded, masks: masks).kernels
        let others = own.filter { !known.contains($0.digest) }
        #expect(own.count == known.count)
        for kernel in others {
            let prefix = ["dispatch_send_", "combine_receive_", "pack_weights_"].first { kernel.name.hasPrefix($0) }
            #expect(prefix != nil, "\(kernel.name)")
            #expect(kernel.name.contains(prefix == "pack_weights_" ? "_padded" : "_of2880"), "\(kernel.name)")
        }
        #expect(others.count == 8)
    }

    @Test(.needsAssembler) func paddedKernelsAssembleWithoutSpills() throws {
        let (padded, whole) = try Self.paddedShapes()
        let known = Set(try KernelCatalogue(whole).kernels.map(\.digest))
        try check(try KernelCatalogue(padded).kernels.filter { !known.contains($0.digest) })
    }

    /// What calls an engine's functions is whole only when it has been linked with them. Calls spill in the highest
    /// tiles.
    @Test(.needsAssembler) func kernelsOfAnEngineAssemble() throws {
        let loopback = Set(try KernelCatalogue(Self.shapes[0], network: .loopback).kernels.map(\.digest))
        let kernels = try KernelCatalogue(Self.shapes[0], network: .engine).kernels
            .filter { !loopback.contains($0.digest) && $0.ptx().contains(".extern .func") }
        #expect(!kernels.isEmpty)
        for kernel in kernels {
            let report = try Tool.assemble(kernel.ptx(), relocatable: true)
            #expect(report.usage(of: kernel.name) != nil, "\(kernel.name)")
        }
    }

    /// Where ranks are masked.
    @Test(.needsAssembler, arguments: someShapes)
    func maskingKernelsAssembleWithoutSpills(_ shape: LayerShape) throws {
        let plain = Set(try KernelCatalogue(shape).kernels.map(\.digest))
        for kernel in try KernelCatalogue(shape, masks: true).kernels where !plain.contains(kernel.digest) {
            let report = try Tool.assemble(kernel.ptx())
            let usage = try #require(report.usage(of: kernel.name))
            #expect(usage.spillStoreBytes == 0 && usage.spillLoadBytes == 0, "\(kernel.name) spills")
            #expect(report.warnings.isEmpty, "\(kernel.name): \(report.warnings)")
        }
    }

    /// Scales that are powers of two, and exponents of scales, which only some hidden sizes have.
    @Test(.needsAssembler, arguments: someShapes, ScaleFormat.allCases.filter(\.isPowerOfTwo))
    func kernelsWithOtherScalesAssembleWithoutSpills(_ shape: LayerShape, _ scales: ScaleFormat) throws {
        if shape.hiddenGroups % scales.groupsPerWord != 0 { return }
        for masks in [false, true] {
            let kernels = try KernelCatalogue(shape, masks: masks, scaleFormat: scales).kernels
            for kernel in kernels where kernel.name.hasPrefix("dispatch") || kernel.name.contains("swiglu") {
                let report = try Tool.assemble(kernel.ptx())
                let usage = try #require(report.usage(of: kernel.name))
                #expect(usage.spillStoreBytes == 0 && usage.spillLoadBytes == 0, "\(kernel.name) spills")
                #expect(report.warnings.isEmpty, "\(kernel.name): \(report.warnings)")
            }
        }
    }

    /// Scales of channels are in registers beside the sums of the consumer warps.
    @Test(.needsAssembler, arguments: someShapes)
    func kernelsWithChannelScalesAssembleWithoutSpills(_ shape: LayerShape) throws {
        let plain = Set(try KernelCatalogue(shape).kernels.map(\.digest))
        let kernels = try KernelCatalogue(shape, channelScales: true).kernels.filter { !plain.contains($0.digest) }
        #expect(!kernels.isEmpty && kernels.allSatisfy { $0.name.hasPrefix("gemm") && $0.name.hasSuffix("_channels") })
        try check(kernels)
    }

    /// Activations of DeepSeek-V4, MiniMax-M3 and Step-3.5, on ranks with a shared expert.
    private static let activations = [
        Activation(limit: 10), Activation(limit: 7, alpha: 1.702, offset: 1),
        Activation(limit: 7, sharedLimit: 16, clamping: .output),
    ]

    private static func shapeWithSharedExpert() throws -> LayerShape {
        try LayerShape(
            hidden: 4096, intermediate: 2048, experts: 256, topK: 6, ranks: 8, maxTokens: 128, sharedExperts: 1)
    }

    @Test(.needsAssembler, arguments: activations)
    func kernelsWithOtherActivationsAssembleWithoutSpills(_ activation: Activation) throws {
        let shape = try Self.shapeWithSharedExpert()
        let plain = Set(try KernelCatalogue(shape).kernels.map(\.digest))
        let kernels = try KernelCatalogue(shape, activation: activation).kernels.filter { !plain.contains($0.digest) }
        // Both GEMMs of gate and up at every height of tiles, at least.
        #expect(kernels.count >= 2 * TileShape.heights.count)
        try check(kernels)
    }

    /// All assemble, and keep their registers.
    private func check(_ kernels: [Kernel]) throws {
        for kernel in kernels {
            let report = try Tool.assemble(kernel.ptx())
            let usage = try #require(report.usage(of: kernel.name))
            #expect(usage.spillStoreBytes == 0 && usage.spillLoadBytes == 0, "\(kernel.name) spills")
            #expect(report.warnings.isEmpty, "\(kernel.name): \(report.warnings)")
        }
    }

    @Test func namesAreUniqueAmongActivations() throws {
        let shape = try Self.shapeWithSharedExpert()
        let kernels = try ([.plain] + Self.activations).flatMap { activation in
            try KernelCatalogue(shape, activation: activation).kernels
        }
        let names = KernelCatalogue(kernels).kernels.map(\.name)
        #expect(Set(names).count == names.count)
    }

    @Test func namesAreUniqueWithinALayer() throws {
        for shape in Self.shapes {
            for masks in [false, true] {
                let formats = ScaleFormat.allCases.filter { shape.hiddenGroups % $0.groupsPerWord == 0 }
                let kernels = try formats.flatMap { format in
                    try [false, true].flatMap {
                        try KernelCatalogue(shape, masks: masks, scaleFormat: format, channelScales: $0).kernels
                    }
                }
                let names = KernelCatalogue(kernels).kernels.map(\.name)
                #expect(Set(names).count == names.count)
            }
        }
    }

    /// How exponents of scales come into one word.
    @Test func packingOfScalesIsAsRecorded() throws {
        let shape = try LayerShape(hidden: 512, intermediate: 128, experts: 2, topK: 1, ranks: 1, maxTokens: 1)
        let name = "dispatch_send_float8_h512_e2_k1_n1_exponents"
        let kernel = try #require(
            try KernelCatalogue(shape, scaleFormat: .exponents).kernels.first { $0.name == name })
        expectGolden(kernel.ptx(locations: .none), named: "\(name).ptx")
    }

    /// The whole text of the kernels that carry the overlap: a change of theirs is seen in review.
    @Test(arguments: [
        "gemm_n7168_k2048_e17_r256_m16_signals_dependent_follows", "combine_send_h7168_e32_k8_n2_s1_m16_signals",
        "dispatch_send_float8_h7168_e32_k8_n2_s1",
    ])
    func overlapKernelsAreAsRecorded(_ name: String) throws {
        let kernel = try #require(try KernelCatalogue.deepSeekV3().kernels.first { $0.name == name })
        expectGolden(kernel.ptx(locations: .none), named: "\(name).ptx")
    }

    /// Registers and shared memory of every grouped GEMM that is chosen for DeepSeek-V3, on two ranks with a shared
    /// expert.
    @Test(.needsAssembler) func resourcesOfTheGroupedGEMMsAreAsRecorded() throws {
        let kernels = try KernelCatalogue(
            LayerShape(
                hidden: 7168, intermediate: 2048, experts: 32, topK: 8, ranks: 2, maxTokens: 128, sharedExperts: 1)
        ).kernels.filter { $0.name.hasPrefix("gemm") }
        let lines = try kernels.map { kernel in
            let usage = try #require(try Tool.assemble(kernel.ptx()).usage(of: kernel.name))
            return "\(kernel.name): \(kernel.threads) threads, \(usage.registers) registers at entry, "
                + "\(kernel.sharedBytes) bytes of shared memory"
        }
        expectGolden(lines.joined(separator: "\n") + "\n", named: "grouped-gemm-resources.txt")
    }
}
