import ExpertParallel
import KernelLanguage
import Testing

@Suite("FP64 reference: observed quantised values")
struct ObservedQuantisationTests {
    private let layer: SmallLayer

    init() throws {
        layer = try SmallLayer()
    }

    /// What kernels without any rounding error of their own would show.
    private func input(_ row: ReferenceRow) -> QuantisedRow {
        QuantisedRow(quantising: layer.row(row.rank, row.token).map { Float($0) })
    }

    private func exactActivation(_ row: ReferenceRow) -> [Double] {
        let weights = row.expert.map { layer.experts[$0] } ?? layer.shared
        return SmallLayer.activation(weights, SmallLayer.dequantised(input(row)), .asKernels)
    }

    private func activation(_ row: ReferenceRow) -> QuantisedRow {
        QuantisedRow(quantising: exactActivation(row).map { Float($0) })
    }

    private func output(_ observed: ObservedQuantisation?) throws -> [[Double]] {
        try layer.reference(.asKernels, observed: observed).output(of: layer.ranks, shared: layer.shared) {
            layer.experts[$0]
        }
    }

    private func difference(_ observed: ObservedQuantisation) -> QuantisationDifference? {
        do {
            _ = try output(observed)
            return nil
        } catch ReferenceError.observedDiffers(let difference) {
            return difference
        } catch {
            Issue.record("\(error)")
            return nil
        }
    }

    private let changedRow = ReferenceRow(expert: 2, rank: 0, token: 1)

    /// Observations in which one row was changed.
    private func changing(
        input change: ((inout QuantisedRow) -> Void)? = nil, activation other: ((inout QuantisedRow) -> Void)? = nil
    ) -> ObservedQuantisation {
        ObservedQuantisation(
            input: { row in
                var seen = self.input(row)
                if row == self.changedRow { change?(&seen) }
                return seen
            },
            activation: { row in
                var seen = self.activation(row)
                if row == self.changedRow { other?(&seen) }
                return seen
            })
    }

    @Test("The reference's own values give its own output")
    func same() throws {
        #expect(try output(changing()) == output(nil))
        #expect(try output(ObservedQuantisation()) == output(nil))
    }

    @Test("Outputs are adopted where they are right roundings, and refused where they are not")
    func outputs() throws {
        let rank = layer.ranks[0]
        let single = RankInput(
            hiddenStates: Array(rank.hiddenStates[256..<512]),
            routing: Routing(tokens: 1, topK: 2, experts: [2, -1], weights: [1, 0]))
        func output(_ seen: [BFloat16]?, accumulationError: Double = 0x1p-8) throws -> [Double] {
            let observed = ObservedQuantisation(output: { _ in seen }, accumulationError: accumulationError)
            return try layer.reference(.asKernels, observed: observed).output(of: [single]) { layer.experts[$0] }[0]
        }
        let own = try output(nil)
        let right = own.map { BFloat16($0) }
        #expect(try output(right) == own)

        var neighbour = right
        neighbour[77].bits ^= 1
        #expect(try output(neighbour, accumulationError: 1) == neighbour.map { Double($0.float) })
        #expect(throws: ReferenceError.self) { try output(neighbour, accumulationError: 0) }

        var wrong = right
        wrong[200] = BFloat16(own[200] * 2 + 1)
        do {
            _ = try output(wrong)
            Issue.record("a wrong output was adopted")
        } catch ReferenceError.observedDiffers(let difference) {
            #expect(difference.stage == .output && difference.channel == 200)
            #expect(difference.row == ReferenceRow(expert: 2, rank: 0, token: 0))
            #expect(difference.observed == Double(wrong[200].float))
        }
        #expect(throws: ReferenceError.sizeMismatch(what: "observed channels of the output", expected: 256, found: 255))
        {
            try output(right.dropLast())
        }
    }

    /// The neighbouring code in the direction of `exact`, and how far the boundary to it is, in steps.
    private func neighbour(_ code: UInt8, exact: Double) -> (code: UInt8, distance: Double)? {
        let value = Double(Float8E4M3(bits: code).float)
        let up = exact.magnitude > value.magnitude
        guard code & 0x7F > 8, code & 0x7F < 0x7E else { return nil }
        let other = up ? code + 1 : code - 1
        let step = abs(Double(Float8E4M3(bits: other).float) - value)
        return (other, 0.5 - abs(exact - value) / step)
    }

    @Test("A code on the other side of a near boundary is adopted; of a far one it is refused")
    func boundary() throws {
        let exact = exactActivation(changedRow)
        let own = activation(changedRow)
        let candidates = exact.indices.compactMap { channel in
            neighbour(own.values[channel], exact: exact[channel] / Double(own.scales[0])).map { (channel, $0) }
        }
        let near = try #require(candidates.first { $0.1.distance < 0.05 })
        let far = try #require(candidates.first { $0.1.distance > 0.3 })
        let adopted = try output(changing(activation: { $0.values[near.0] = near.1.code }))
        let plain = try output(nil)
        #expect(adopted != plain)
        #expect(adopted[2] == plain[2])
        #expect(relativeError(adopted[0], plain[0]) < 0.02)
        let found = try #require(difference(changing(activation: { $0.values[far.0] = far.1.code })))
        #expect(found.stage == .activation && found.part == .value)
        #expect(found.row == changedRow && found.channel == far.0)
        #expect(abs(found.expected - exact[far.0]) < 1e-6 * abs(exact[far.0]))
        #expect(found.observed == Double(Float8E4M3(bits: far.1.code).float) * Double(own.scales[0]))
        #expect(found.limit < abs(found.observed - found.expected))
        #expect(found.description.contains("rank 0, token 1, expert 2, channel \(far.0)"))
        // Without slack and accumulation error the near one is refused too.
        var strict = changing(activation: { $0.values[near.0] = near.1.code })
        strict.slack = 0
        strict.accumulationError = 0
        #expect(difference(strict)?.channel == near.0)
    }

    @Test("Inputs are compared without any allowance for sums")
    func inputs() throws {
        let found = try #require(difference(changing(input: { $0.values[200] ^= 0x80 })))
        #expect(found.stage == .input && found.row == changedRow && found.channel == 200)
        let zero = try #require(difference(changing(input: { $0.values[3] = 0x7F })))
        #expect(zero.channel == 3 && zero.observed.isNaN)
    }

    @Test("Scales that are off by more than the tolerance are refused")
    func scales() throws {
        let found = try #require(difference(changing(input: { $0.scales[1] *= 1.03 })))
        #expect(found.part == .scale && found.channel == 128 && found.stage == .input)
        #expect(difference(changing(activation: { $0.scales[0] *= 1.05 }))?.part == .scale)
        #expect(difference(changing(activation: { $0.scales[0] = .nan }))?.part == .scale)
        #expect(difference(changing(activation: { $0.scales[0] = 0 }))?.part == .scale)
        #expect(difference(changing(activation: { $0.scales[0] *= -1 }))?.part == .scale)
    }

    @Test("Sums near a BF16 boundary may be rounded to either side")
    func accumulation() throws {
        // Kernels whose sums are off by 2^-12 of the row's root mean square, up or down by turns.
        let noisy = ObservedQuantisation(activation: { row in
            let weights = row.expert.map { layer.experts[$0] } ?? layer.shared
            let x = SmallLayer.dequantised(input(row))
            func sums(_ weight: QuantisedMatrix) -> [Double] {
                let exact = SmallLayer.product(weight, x)
                let size = (exact.reduce(0) { $0 + $1 * $1 } / Double(exact.count)).squareRoot()
                return SmallLayer.rounded(
                    exact.enumerated().map { $0.element + ($0.offset % 2 == 0 ? size : -size) * 0x1p-12 })
            }
            let result = zip(sums(weights.gate), sums(weights.up)).map { SmallLayer.activation(gate: $0, up: $1) }
            return QuantisedRow(quantising: result.map { Float($0) })
        })
        #expect(difference(noisy) == nil)
    }

    @Test("Rows of the wrong length are refused")
    func sizes() throws {
        #expect(
            throws: ReferenceError.sizeMismatch(what: "observed codes of the input", expected: 256, found: 255)
        ) { try output(changing(input: { $0.values.removeLast() })) }
        #expect(
            throws: ReferenceError.sizeMismatch(what: "observed scales of the activation", expected: 1, found: 0)
        ) { try output(changing(activation: { $0.scales = [] })) }
    }
}
