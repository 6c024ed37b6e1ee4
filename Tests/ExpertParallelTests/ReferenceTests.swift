import ExpertParallel
import KernelLanguage
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A small layer with everything the reference needs, and the same computed by the plainest loops.
struct SmallLayer {
    let hidden = 256
    let intermediate = 128
    let experts: [ExpertWeights]
    let shared: ExpertWeights
    var ranks: [RankInput]

    init() throws {
        var stream = RandomStream(seed: 11)
        func matrix(_ rows: Int, _ columns: Int) throws -> QuantisedMatrix {
            let weights = (0..<rows * columns).map { _ in BFloat16(stream.normal() / Float(columns).squareRoot()) }
            return try QuantisedMatrix(quantising: weights, rows: rows, columns: columns)
        }
        func expert(_ intermediate: Int) throws -> ExpertWeights {
            ExpertWeights(
                gate: try matrix(intermediate, 256), up: try matrix(intermediate, 256),
                down: try matrix(256, intermediate))
        }
        experts = try (0..<4).map { _ in try expert(128) }
        shared = try expert(256)
        ranks = [(3, [0, 1, 2, 0, -1, 3]), (0, []), (2, [1, 1, -1, -1])].map { tokens, chosen in
            RankInput(
                hiddenStates: (0..<tokens * 256).map { _ in BFloat16(stream.normal()) },
                routing: Routing(
                    tokens: tokens, topK: 2, experts: chosen, weights: chosen.map { _ in 0.25 + stream.uniform() }))
        }
    }

    func row(_ rank: Int, _ token: Int) -> [Double] {
        ranks[rank].hiddenStates[token * hidden..<(token + 1) * hidden].map { Double($0.float) }
    }

    static func product(_ weight: QuantisedMatrix, _ x: [Double]) -> [Double] {
        (0..<weight.rows).map { row in
            (0..<weight.columns).reduce(0) { $0 + Double(weight[row, $1]) * x[$1] }
        }
    }

    static func rounded(_ values: [Double]) -> [Double] { values.map { Double(BFloat16($0).float) } }

    static func dequantised(_ row: QuantisedRow) -> [Double] {
        row.values.indices.map {
            Double(Float8E4M3(bits: row.values[$0]).float) * Double(row.scales[$0 / 128])
        }
    }

    /// SwiGLU's result before it is quantised.
    static func activation(_ expert: ExpertWeights, _ x: [Double], _ model: QuantisationModel) -> [Double] {
        var gate = product(expert.gate, x)
        var up = product(expert.up, x)
        if model == .asKernels {
            gate = rounded(gate)
            up = rounded(up)
        }
        return zip(gate, up).map { activation(gate: $0, up: $1) }
    }

    static func activation(gate: Double, up: Double) -> Double { gate / (1 + exp(-gate)) * up }

    static func run(_ expert: ExpertWeights, _ x: [Double], _ model: QuantisationModel) -> [Double] {
        guard model == .asKernels else {
            return product(expert.down, activation(expert, x, model))
        }
        let input = dequantised(QuantisedRow(quantising: x.map { Float($0) }))
        let a = QuantisedRow(quantising: activation(expert, input, model).map { Float($0) })
        return rounded(product(expert.down, dequantised(a)))
    }

    func naive(_ model: QuantisationModel, shared hasShared: Bool) -> [[Double]] {
        ranks.indices.map { rank in
            let routing = ranks[rank].routing
            return (0..<routing.tokens).flatMap { token in
                var output = [Double](repeating: 0, count: hidden)
                for slot in 0..<2 {
                    let choice = token * 2 + slot
                    guard routing.experts[choice] >= 0 else { continue }
                    let result = Self.run(experts[Int(routing.experts[choice])], row(rank, token), model)
                    for channel in 0..<hidden { output[channel] += Double(routing.weights[choice]) * result[channel] }
                }
                if hasShared {
                    let result = Self.run(shared, row(rank, token), model)
                    let weight = Double(routing.sharedWeights?[token] ?? 1)
                    for channel in 0..<hidden { output[channel] += weight * result[channel] }
                }
                return model == .asKernels ? Self.rounded(output) : output
            }
        }
    }

    func reference(_ model: QuantisationModel, observed: ObservedQuantisation? = nil) throws -> LayerReference {
        try LayerReference(
            experts: 4, hidden: hidden, intermediate: intermediate, model: model, observed: observed)
    }
}

@Suite("FP64 reference")
struct ReferenceTests {
    private let layer: SmallLayer

    init() throws {
        layer = try SmallLayer()
    }

    @Test("Agrees with plain loops without roundings", arguments: [false, true])
    func exact(_ shared: Bool) throws {
        let output = try layer.reference(.none).output(of: layer.ranks, shared: shared ? layer.shared : nil) {
            layer.experts[$0]
        }
        #expect(output.map(\.count) == [3 * 256, 0, 2 * 256])
        let naive = layer.naive(.none, shared: shared)
        // The plain loops round a dequantised weight to FP32.
        #expect(firstDifference(output, naive, hidden: 256, absolute: 1e-6, relative: 0) == nil)
        #expect(relativeError(output[0], naive[0]) < 1e-7)
        #expect(shared || output[2][256...].allSatisfy { $0 == 0 })
    }

    @Test("Shared weights multiply what the shared expert makes of each token")
    func sharedWeights() throws {
        var layer = layer
        layer.ranks[0].routing.sharedWeights = [0.25, 0, 0.875]
        layer.ranks[1].routing.sharedWeights = []
        layer.ranks[2].routing.sharedWeights = [1, 0.5]
        let output = try layer.reference(.none).output(of: layer.ranks, shared: layer.shared) { layer.experts[$0] }
        let naive = layer.naive(.none, shared: true)
        #expect(firstDifference(output, naive, hidden: 256, absolute: 1e-6, relative: 0) == nil)
        #expect(relativeError(output[0], self.layer.naive(.none, shared: true)[0]) > 0.1)
    }

    @Test("Agrees with plain loops with the kernels' roundings", arguments: [false, true])
    func asKernels(_ shared: Bool) throws {
        let output = try layer.reference(.asKernels).output(of: layer.ranks, shared: shared ? layer.shared : nil) {
            layer.experts[$0]
        }
        let naive = layer.naive(.asKernels, shared: shared)
        for rank in [0, 2] {
            // Bit for bit except where a sum lies within 1e-8 of a rounding boundary; with this seed none does.
            #expect(firstDifference(output, naive, hidden: 256, absolute: 0, relative: 0) == nil)
            let exact = layer.naive(.none, shared: shared)[rank]
            let error = relativeError(output[rank], exact)
            #expect(error > 0.005 && error < 0.06, "\(error)")
        }
        #expect(output.joined().allSatisfy { Double(BFloat16($0).float) == $0 })
    }

    @Test("Agrees with numpy on the checkpoint that Python wrote")
    func python() throws {
        let expected = try FixtureExpectation.read()
        let checkpoint = try MoELayerCheckpoint(directory: TemporaryDirectory.fixtures + "/tiny", layer: expected.layer)
        let routing = Routing(
            tokens: 5, topK: 2, experts: expected.chosen.flatMap { $0 },
            weights: expected.weights.flatMap { $0 }.map { Float($0) })
        let reference = try LayerReference(experts: 4, hidden: 128, intermediate: 256, model: .none)
        let output = try reference.output(
            of: [RankInput(hiddenStates: expected.hidden.map { BFloat16(bits: $0) }, routing: routing)],
            shared: checkpoint.sharedExpert(), weights: checkpoint.expert)
        #expect(relativeError(output[0], expected.outputs.flatMap { $0 }) < 1e-7)
    }

    @Test("Only experts that have tokens are asked for, in order")
    func lazy() throws {
        var asked: [Int] = []
        _ = try layer.reference(.none).output(of: [layer.ranks[2]]) { expert in
            asked.append(expert)
            return layer.experts[expert]
        }
        #expect(asked == [1])
        struct Absent: Error {}
        #expect(throws: Absent.self) { try layer.reference(.none).output(of: layer.ranks) { _ in throw Absent() } }
    }

    @Test("Input that does not fit is refused")
    func errors() throws {
        func error(_ change: (inout RankInput) -> Void) -> ReferenceError? {
            var input = layer.ranks[0]
            change(&input)
            do {
                _ = try layer.reference(.none).output(of: [input]) { layer.experts[$0] }
                return nil
            } catch {
                return error as? ReferenceError
            }
        }
        #expect(
            error { $0.routing.sharedWeights = [1] }
                == .sizeMismatch(what: "shared weights of rank 0", expected: 3, found: 1))
        #expect(
            error { $0.routing.experts[3] = 4 }
                == .expertOutOfRange(rank: 0, token: 1, slot: 1, expert: 4, experts: 4))
        #expect(
            error { $0.routing.experts[0] = -2 }
                == .expertOutOfRange(rank: 0, token: 0, slot: 0, expert: -2, experts: 4))
        #expect(
            error { $0.hiddenStates.removeLast() }
                == .sizeMismatch(what: "hidden values of rank 0", expected: 768, found: 767))
        #expect(
            error { $0.routing.weights = [] } == .sizeMismatch(what: "weights of rank 0", expected: 6, found: 0))
        #expect(error { $0.routing.tokens = -1 } != nil)
        #expect(error { $0.routing.topK = .max } != nil)
        #expect(
            error { $0.hiddenStates[300] = BFloat16(Float.nan) } == .hiddenNotFinite(rank: 0, token: 1, channel: 44))
        #expect(throws: ReferenceError.dimensionNotMultiple(what: "hidden size", value: 100)) {
            try LayerReference(experts: 1, hidden: 100, intermediate: 128)
        }
        #expect(throws: ReferenceError.self) {
            try layer.reference(.none).output(of: layer.ranks) { _ in layer.shared }
        }
    }
}
