import ExpertKernels
import Testing

/// How long messages take through a modelled network card.
@Suite("Network model")
struct NetworkModelTests {
    private func model(rate: Double = 50e9, latency: Int = 5_000, cost: Int = 200) throws -> NetworkModel {
        try NetworkModel(bytesPerSecond: rate, latencyNanoseconds: latency, messageNanoseconds: cost)
    }

    @Test("A message takes its cost, its bytes and the latency, one after the other")
    func oneMessage() throws {
        let model = try model()
        #expect(model.microseconds(bytes: 10_000) == 5.4)
        #expect(model.microseconds(messages: 1, bytes: 10_000) == model.microseconds(bytes: 10_000))
        #expect(model.microseconds(messages: 0, bytes: 10_000) == 0)
    }

    @Test("Each further one takes the longer of cost and bytes")
    func manyMessages() throws {
        // 500 bytes take 10 ns on the wire, 20,000 take 400; a message 200 on the engine.
        let model = try model()
        #expect(model.microseconds(messages: 11, bytes: 500) == 7.21)
        #expect(model.microseconds(messages: 11, bytes: 20_000) == 9.6)
        #expect(try self.model(cost: 0).microseconds(messages: 11, bytes: 500) == 5.11)
    }

    @Test("Words go before, and by themselves where there is nothing else")
    func words() throws {
        let model = try model()
        #expect(model.microseconds(messages: 1, bytes: 500, words: 4) == 6.01)
        #expect(model.microseconds(messages: 0, bytes: 500, words: 4) == 5.8)
    }

    @Test("What is out of range is refused by name")
    func refusals() throws {
        #expect(throws: ShapeError(name: "link bytes per microsecond", value: 99, range: 100...10_000_000, step: 1)) {
            try model(rate: 99e6)
        }
        #expect(throws: ShapeError(name: "link latency in ns", value: -1, range: 0...1_000_000_000, step: 1)) {
            try model(latency: -1)
        }
        #expect(
            throws: ShapeError(
                name: "network message cost in ns", value: 1_000_000_001, range: 0...1_000_000_000, step: 1)
        ) { try model(cost: 1_000_000_001) }
    }

    @Test("Its description has all three")
    func description() throws {
        #expect(try "\(model())" == "50.0 GB/s, 5.0 µs, 0.2 µs a message")
    }

    @Test("Windows have room for arrival times only with a model")
    func windows() throws {
        let shape = try LayerShape(hidden: 256, intermediate: 128, experts: 8, topK: 2, ranks: 2, maxTokens: 4)
        let (plain, modelled) = (
            RankWindow(shape, .float8, network: .loopback),
            RankWindow(shape, .float8, network: .loopback, networkModel: try model())
        )
        let known = Set(plain.regionSizes)
        let added = modelled.regionSizes.filter { !known.contains($0) }
        #expect(added.map(\.name) == ["rowCountsDue", "landedRowsDue", "landedResultsDue"])
        #expect(
            added.map(\.bytes) == [plain.rowCounts.bytes, plain.landedRows.bytes, plain.landedResults.bytes])
        #expect(plain.landedResults == modelled.landedResults && plain.bytes < modelled.bytes)
    }
}
