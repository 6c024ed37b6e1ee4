import Accelerator
import Conformance
import ExpertKernels
import ExpertParallel
import KernelLanguage
import Testing

/// What a layer's outputs are made of: every expert's result for every token, from a group that loses nobody. The
/// kernels' own sums of any of the terms follow, bit for bit.
struct ExpectedOutputs {
    let shape: LayerShape
    private let inputs: [RankInput]
    private let rows: ObservedExperts

    init(_ fixture: LayerFixture, step: Int) throws {
        shape = fixture.shape
        inputs = fixture.inputs(step: step)
        let device = SimulatedDevice(seed: 1, multiprocessors: 2 * shape.ranks)
        let layer = try fixture.layer(on: device, communicating: 0, halves: false)
        let outputs = try layer.step(inputs, overlap: .none)
        rows = try layer.observedExperts(inputs)
        for rank in outputs.indices {
            for token in 0..<inputs[rank].routing.tokens {
                let own = Array(outputs[rank][token * shape.hidden..<(token + 1) * shape.hidden])
                #expect(sum(rank: rank, token: token) { _ in true } == own, "the sums are not the kernels'")
            }
        }
    }

    private func owner(_ expert: Int64) -> Int { Int(expert) / shape.localExperts }

    /// A token's output with the terms of its choices that are wanted.
    private func sum(rank: Int, token: Int, wanted: (_ choice: Int) -> Bool) -> [BFloat16] {
        let routing = inputs[rank].routing
        var sums = [Float](repeating: 0, count: shape.hidden)
        func add(_ row: ReferenceRow, _ weight: Float) {
            guard let values = rows.outputs[row] else { return }
            for channel in sums.indices { sums[channel].addProduct(values[channel].float, weight) }
        }
        for choice in 0..<shape.topK where wanted(choice) {
            let index = token * shape.topK + choice
            let expert = routing.experts[index]
            if expert >= 0 {
                add(ReferenceRow(expert: Int(expert), rank: rank, token: token), routing.weights[index])
            }
        }
        for part in 0..<shape.sharedExperts {
            let weight = routing.sharedWeights?[token] ?? 1
            add(ReferenceRow(expert: nil, rank: rank, token: token, sharedPart: part), weight)
        }
        return sums.map { BFloat16($0) }
    }

    /// The first token of a rank whose output is none that it may have; nil if there is none.
    ///
    /// - Parameters:
    ///   - without: Ranks whose experts' terms must be missing.
    ///   - perhaps: Ranks of whose experts' terms any may be missing.
    func firstWrongToken(_ output: [BFloat16], rank: Int, without: Set<Int>, perhaps: Set<Int>) -> Int? {
        let routing = inputs[rank].routing
        return (0..<routing.tokens).first { token in
            let found = Array(output[token * shape.hidden..<(token + 1) * shape.hidden])
            let owners = (0..<shape.topK).map { choice -> Int? in
                let expert = routing.experts[token * shape.topK + choice]
                return expert < 0 ? nil : owner(expert)
            }
            let open = owners.indices.filter { owners[$0].map { perhaps.contains($0) } ?? false }
            return !(0..<1 << open.count).contains { subset in
                sum(rank: rank, token: token) { choice in
                    guard let owner = owners[choice] else { return false }
                    if without.contains(owner) { return false }
                    return open.firstIndex(of: choice).map { subset >> $0 & 1 == 1 } ?? true
                } == found
            }
        }
    }
}
