import ExpertParallel
import KernelLanguage
import Testing

@Suite("Router")
struct RouterTests {
    /// A router whose logits are the hidden state itself: hidden = experts, and the weight is the identity.
    private func router(
        _ configuration: RouterConfiguration, bias: [Float]? = nil
    ) throws -> Router {
        let count = configuration.experts
        var weight = [Float](repeating: 0, count: count * count)
        for index in 0..<count { weight[index * count + index] = 1 }
        return try Router(
            configuration: configuration,
            weights: RouterWeights(
                weight: weight, correctionBias: bias ?? [Float](repeating: 0, count: count)),
            hidden: count)
    }

    private func sigmoid(_ value: Double) -> Double {
        // From the table of exponentials, so that the test does not share the router's code.
        let exponentials = [
            0.0: 1.0, 1: 0.36787944117144233, 2: 0.1353352832366127, 3: 0.049787068367863944,
            4: 0.01831563888873418,
        ]
        return value >= 0 ? 1 / (1 + exponentials[value, default: .nan]) : 1 - sigmoid(-value)
    }

    private func states(_ values: [Float]) -> [BFloat16] { values.map { BFloat16($0) } }

    @Test("Chooses the best, weights by normalised scores times the scale")
    func plain() throws {
        let router = try router(RouterConfiguration(experts: 4, topK: 2, scale: 2.5))
        let routing = try router.route(states([1, -1, 3, 2, 0, 0, -2, 4]))
        #expect(routing.tokens == 2 && routing.topK == 2)
        #expect(routing.experts == [2, 3, 3, 0])
        let wanted = [(3.0, 2.0), (4.0, 0.0)].flatMap { pair in
            [pair.0, pair.1].map { 2.5 * sigmoid($0) / (sigmoid(pair.0) + sigmoid(pair.1)) }
        }
        for (weight, wanted) in zip(routing.weights, wanted) {
            #expect(abs(Double(weight) - wanted) < 1e-6)
        }
    }

    @Test("Without normalising, weights are the scores")
    func unnormalised() throws {
        let router = try router(RouterConfiguration(experts: 4, topK: 3, normalise: false, scale: 2))
        let routing = try router.route(states([1, -1, 3, 2]))
        #expect(routing.experts == [2, 3, 0])
        for (weight, logit) in zip(routing.weights, [3.0, 2, 1]) {
            #expect(abs(Double(weight) - 2 * sigmoid(logit)) < 1e-6)
        }
    }

    @Test("The correction bias changes the choice, not the weights")
    func bias() throws {
        let router = try router(RouterConfiguration(experts: 4, topK: 2, normalise: false), bias: [0, 1, 0, 0])
        let routing = try router.route(states([1, -1, 3, 2]))
        #expect(routing.experts == [1, 2])
        #expect(abs(Double(routing.weights[0]) - sigmoid(-1)) < 1e-6)
        #expect(abs(Double(routing.weights[1]) - sigmoid(3)) < 1e-6)
    }

    @Test("Groups are ranked by the sum of their two best, and experts of others are out")
    func groups() throws {
        // Three groups of three. The best single expert (index 0) is in a group whose second best is poor.
        let router = try router(RouterConfiguration(experts: 9, topK: 3, groups: 3, groupsKept: 2))
        let routing = try router.route(states([4, -4, -4, 2, 1, -4, 1, 2, 1]))
        // Sums of the two best: 0.982 + 0.018; 0.881 + 0.731; 0.881 + 0.731.
        #expect(routing.experts == [3, 7, 4])
        let one = try self.router(RouterConfiguration(experts: 9, topK: 3, groups: 3, groupsKept: 1))
        #expect(try one.route(states([4, -4, -4, 2, 1, -4, 1, 2, 1])).experts == [3, 4, 5])
        // A negative bias does not make experts of dropped groups eligible.
        let negative = try self.router(
            RouterConfiguration(experts: 4, topK: 2, groups: 2, groupsKept: 1), bias: [-3, -3, -3.5, -3.5])
        #expect(try negative.route(states([0, 0, 0, 0])).experts == [0, 1])
    }

    @Test("Among equals the lower index wins")
    func ties() throws {
        let router = try router(RouterConfiguration(experts: 8, topK: 4, groups: 4, groupsKept: 2))
        #expect(try router.route(states([Float](repeating: 1, count: 8))).experts == [0, 1, 2, 3])
        #expect(try router.route(states([0, 0, 0, 0, 1, 0, 0, 1])).experts == [4, 7, 5, 6])
    }

    @Test("Softmax scores are shares of all experts")
    func softmax() throws {
        let router = try router(RouterConfiguration(experts: 3, topK: 2, normalise: false, scoring: .softmax))
        let routing = try router.route(states([0, 1, 2]))
        #expect(routing.experts == [2, 1])
        let e1 = 2.718281828459045
        let sum = 1 + e1 + e1 * e1
        #expect(abs(Double(routing.weights[0]) - e1 * e1 / sum) < 1e-6)
        #expect(abs(Double(routing.weights[1]) - e1 / sum) < 1e-6)
        let large = try self.router(RouterConfiguration(experts: 2, topK: 1, scoring: .softmax))
        #expect(try large.route(states([1000, 2000])).weights == [1])
    }

    @Test("Groups may be ranked by their best expert alone")
    func bestOfGroups() throws {
        // The best single expert (index 0) is in a group whose second best is poor.
        let router = try router(
            RouterConfiguration(
                experts: 6, topK: 2, groups: 3, groupsKept: 1, groupScore: .best, normalise: false, scoring: .softmax))
        #expect(try router.route(states([4, -4, 3, 2, 1, 0])).experts == [0, 1])
        let sum = try self.router(
            RouterConfiguration(experts: 6, topK: 2, groups: 3, groupsKept: 1, normalise: false, scoring: .softmax))
        #expect(try sum.route(states([1, -4, 0.9, 0.8, 0, 0])).experts == [2, 3])
    }

    @Test("The square root of softplus, also of large logits")
    func squareRootOfSoftplus() throws {
        let router = try router(
            RouterConfiguration(experts: 4, topK: 4, normalise: false, scoring: .squareRootOfSoftplus))
        let routing = try router.route(states([0, 1, -2, 1000]))
        #expect(routing.experts == [3, 1, 0, 2])
        // sqrt(1000), sqrt(log(1 + e)), sqrt(log 2), sqrt(log(1 + e⁻²))
        for (weight, wanted) in zip(routing.weights, [31.6227766, 1.1459763, 0.8325546, 0.3562696]) {
            #expect(abs(Double(weight) - wanted) < 1e-5 * wanted, "\(weight)")
        }
    }

    @Test("A softmax over the chosen experts, with a bias on the logits")
    func softmaxOfChosen() throws {
        let weight = (0..<3).flatMap { row in (0..<3).map { Float($0 == row ? 1 : 0) } }
        let router = try Router(
            configuration: RouterConfiguration(experts: 3, topK: 2, scoring: .softmaxOfChosen),
            weights: RouterWeights(weight: weight, correctionBias: [0, 0, 0], logitBias: [0, 3, 0]), hidden: 3)
        let routing = try router.route(states([1, -1, 0]))
        #expect(routing.experts == [1, 0])
        // e² / (e² + e)
        #expect(abs(routing.weights[0] - 0.7310586) < 1e-6 && abs(routing.weights[1] - 0.2689414) < 1e-6)
        #expect(throws: RouterError.countMismatch(what: "biases of logits", expected: 3, found: 2)) {
            try Router(
                configuration: RouterConfiguration(experts: 3, topK: 2),
                weights: RouterWeights(weight: weight, correctionBias: [0, 0, 0], logitBias: [0, 3]), hidden: 3)
        }
    }

    @Test("Agrees with numpy on the checkpoint that Python wrote")
    func python() throws {
        let expected = try FixtureExpectation.read()
        let layer = try MoELayerCheckpoint(directory: TemporaryDirectory.fixtures + "/tiny", layer: expected.layer)
        let router = try Router(
            configuration: layer.configuration.router(), weights: layer.router(), hidden: layer.configuration.hidden)
        let routing = try router.route(expected.hidden.map { BFloat16(bits: $0) })
        #expect(routing.experts == expected.chosen.flatMap { $0 })
        for (weight, wanted) in zip(routing.weights, expected.weights.flatMap { $0 }) {
            #expect(abs(Double(weight) - wanted) < 1e-6)
        }
    }

    @Test("A gate gives each token a weight of the shared expert, and changes nothing else")
    func sharedGate() throws {
        let configuration = try RouterConfiguration(experts: 3, topK: 2)
        // The gate's logit is twice the second channel minus the third; the experts' logits are the hidden state.
        var weights = RouterWeights(weight: [1, 0, 0, 0, 1, 0, 0, 0, 1], correctionBias: [0, 0, 0])
        let plain = try Router(configuration: configuration, weights: weights, hidden: 3)
        weights.sharedGate = [0, 2, -1]
        let gated = try Router(configuration: configuration, weights: weights, hidden: 3)
        let tokens = states([1, 2, 1, 0, 1, 3, 5, 0, 0, -4, 0, 4])
        var routing = try gated.route(tokens)
        let found = try #require(routing.sharedWeights)
        #expect(found.count == 4)
        for (weight, logit) in zip(found, [3.0, -1, 0, -4]) { #expect(abs(Double(weight) - sigmoid(logit)) < 1e-7) }
        routing.sharedWeights = nil
        #expect(try plain.route(tokens) == routing)
        #expect(try gated.route([]).sharedWeights == [])
        weights.sharedGate = [0, 0x1p127, 0]
        let overflowing = try Router(configuration: configuration, weights: weights, hidden: 3)
        #expect(throws: RouterError.sharedScoreNotFinite(token: 1)) {
            try overflowing.route(states([1, 1, 1, 0, 2, 0]))
        }
        weights.sharedGate = [1, 2]
        #expect(
            throws: RouterError.countMismatch(what: "weights of the shared expert's gate", expected: 3, found: 2)
        ) { try Router(configuration: configuration, weights: weights, hidden: 3) }
    }

    @Test("No tokens are fine; wrong sizes, NaN and bad options are not")
    func errors() throws {
        let router = try router(RouterConfiguration(experts: 4, topK: 2))
        #expect(try router.route([]) == Routing(tokens: 0, topK: 2, experts: [], weights: []))
        #expect(throws: RouterError.countMismatch(what: "hidden values", expected: 8, found: 5)) {
            try router.route(states([1, 2, 3, 4, 5]))
        }
        #expect(throws: RouterError.self) { try router.route(states([1, .nan, 3, 4])) }
        #expect(throws: RouterError.self) { try router.route(states([1, .infinity, 3, 4])) }
        #expect(throws: RouterError.countMismatch(what: "weights", expected: 8, found: 7)) {
            try Router(
                configuration: RouterConfiguration(experts: 4, topK: 2),
                weights: RouterWeights(weight: [Float](repeating: 0, count: 7), correctionBias: []), hidden: 2)
        }
        for (experts, topK, groups, kept, scale) in [
            (0, 1, 1, 1, Float(1)), (4, 0, 1, 1, 1), (4, 5, 1, 1, 1), (4, 2, 3, 1, 1), (4, 2, 2, 3, 1),
            (4, 3, 2, 1, 1), (4, 2, 0, 1, 1), (4, 2, 2, 0, 1), (4, 2, 1, 1, .nan), (4, 2, 1, 1, 0),
        ] {
            #expect(throws: RouterError.self) {
                try RouterConfiguration(experts: experts, topK: topK, groups: groups, groupsKept: kept, scale: scale)
            }
        }
    }
}
