import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

extension Workload {
    /// Dispatch and combine alone, twice: rows that arrive in BF16 go straight home; with rows in FP8 the step is over
    /// when they have arrived.
    package static func communication(
        _ format: DispatchFormat, tokens: [Int], localExperts: Int = 2, link: LinkModel? = nil,
        multiprocessors: Int = 2,
        onFailure: FailurePolicy = .stop, network: GroupNetwork? = nil
    ) throws -> Workload {
        let shape = try LayerShape(
            hidden: 256, intermediate: 128, experts: tokens.count * localExperts, topK: 2, ranks: tokens.count,
            maxTokens: max(1, tokens.max() ?? 1))
        return Workload(
            "communication \(format.rawValue) experts=\(shape.experts) tokens=\(tokens)"
                + (link.map { " link=\($0)" } ?? "") + (onFailure == .mask ? " with masks" : "")
                + (network.map { " network=\($0)" } ?? ""),
            multiprocessors: tokens.count * multiprocessors
        ) { device in
            var configuration = GroupConfiguration(
                shape: shape, format: format, deviceMultiprocessors: device.properties.multiprocessors, link: link)
            configuration.onFailure = onFailure
            configuration.network = network
            let group = try RankGroup(device: device, configuration: configuration)
            return try (0..<2).flatMap { step in
                let inputs = LayerFixture(shape, tokens: tokens, pattern: .sparse).inputs(step: step)
                try group.load(inputs)
                return format == .bfloat16 ? try roundTrip(group, inputs) : try oneWay(group)
            }
        }
    }

    private static func roundTrip(_ group: RankGroup, _ inputs: [RankInput]) throws -> [[UInt16]] {
        for receive in try group.ranks.map({ try $0.dispatch() }) { try receive() }
        for rank in group.ranks {
            try group.device.copy(
                from: rank.rows, offset: 0, to: rank.expertOutput, offset: 0, bytes: rank.rows.bytes, on: rank.compute)
        }
        for receive in try group.ranks.map({ try $0.combine() }) { try receive() }
        try group.synchronize()
        return try zip(group.ranks, inputs).map { try $0.output(tokens: $1.routing.tokens).map(\.bits) }
    }

    private static func oneWay(_ group: RankGroup) throws -> [[UInt16]] {
        // With masks a rank that is two steps ahead of another writes where that has read; nothing else orders it.
        for _ in 0..<(group.configuration.onFailure == .mask || group.configuration.network != nil ? 3 : 1) {
            for rank in group.ranks { try rank.dispatchOnly() }
        }
        try group.synchronize()
        return try group.ranks.flatMap { rank in
            let counts = try group.device.read(
                UInt16.self, count: rank.receivedCount.bytes / 2, from: rank.receivedCount)
            return [counts, try group.device.read(UInt16.self, count: rank.rows.bytes / 2, from: rank.rows)]
        }
    }

    /// The grouped GEMM alone, twice.
    package static func gemm(
        counts: [Int], n: Int, k: Int, blockM: Int, tileN: Int = 256, slices: Int = 1, signals: Bool = false,
        dependent: Bool = false, grid: Int = 3
    ) -> Workload {
        let maxRows = max(counts.max() ?? 0, 1)
        let configuration = GEMMConfiguration(
            GEMMProblem(n: n, k: k, experts: counts.count, maxRows: maxRows),
            tile: TileShape(m: blockM, n: tileN, slices: slices),
            role: .plain(launch: dependent ? .behindGEMM : .alone, signals: signals))
        return Workload(
            "gemm counts=\(counts) n=\(n) k=\(k) blockM=\(blockM) tileN=\(tileN) signals=\(signals)"
                + (dependent ? " dependent" : "") + ", \(TilePlan(configuration, counts: counts, gridSize: grid))",
            multiprocessors: grid
        ) { device in
            let trial = try GEMMTrial(device, configuration, counts: counts, maxGrid: grid)
            return try (0..<2).map { _ in try trial.run(blocks: grid) }
        }
    }

    /// The gate and up GEMM with SwiGLU in its epilogue, and with the separate kernel behind it.
    package static func activation(counts: [Int], blockM: Int) -> Workload {
        let (intermediate, hidden, grid) = (128, 256, 3)
        let configuration = ActivationTrial.configuration(
            counts: counts, intermediate: intermediate, hidden: hidden, blockM: blockM)
        return Workload(
            "activation counts=\(counts) blockM=\(blockM), "
                + "\(TilePlan(configuration, counts: counts, gridSize: grid))",
            multiprocessors: 8
        ) { device in
            let trial = try ActivationTrial(
                device, counts: counts, intermediate: intermediate, hidden: hidden, blockM: blockM)
            let results = [try trial.runFused(blocks: grid), try trial.runSeparate()]
            return results.map { $0.rows.map(UInt16.init) }
        }
    }

    /// Weights that are packed where they are, one expert after the other through the same memory.
    package static func packing() -> Workload {
        Workload("packing of weights in place", multiprocessors: 2) { device in
            let (rows, columns, experts) = (256, 128, 2)
            let matrix = try LayerFixture.matrices().matrix("weights", experts * rows, columns)
            let values = try device.makeBuffer(matrix.values, label: "weights")
            let scales = try device.makeBuffer(matrix.scales, label: "weight scales")
            let stream = try device.makeStream(label: "packing")
            let packed = try WeightBuffer(
                device, packingInPlace: values, scales: scales, rows: rows, columns: columns, experts: experts,
                .gateUpInTurns, label: "weights", on: stream)
            try device.synchronize(stream)
            return try [packed.values, packed.scales].map {
                try device.read(UInt16.self, count: $0.bytes / 2, from: $0)
            }
        }
    }

    /// The kernel that moves memory as fast as it can.
    package static func stream(_ direction: StreamDirection) -> Workload {
        Workload("stream \(direction.rawValue)", multiprocessors: 1) { device in
            let chunks = 8
            let words = chunks * streamChunkBytes / 4
            let source = try device.makeBuffer((0..<UInt32(words)).map { $0 &* 2_654_435_761 }, label: "source")
            let target = try device.makeBuffer([UInt32](repeating: 0, count: words), label: "destination")
            let stream = try device.makeStream(label: "stream")
            let isCopy = direction == .copy
            try device.launch(
                device.load(streamKernel(direction)), blocks: 1,
                arguments: [.address(source.address)] + (isCopy ? [.address(target.address)] : [])
                    + [.uint32(UInt32(chunks))] + (isCopy ? [.uint32(1)] : []),
                dependentLaunch: false, on: stream)
            try device.synchronize(stream)
            return [try device.read(UInt16.self, count: target.bytes / 2, from: target)]
        }
    }
}
