import ExpertParallel
import KernelLanguage
import Testing

@Suite("Quantised matrices")
struct QuantisedMatrixTests {
    @Test("Quantising keeps each weight within half a step of E4M3")
    func quantise() throws {
        var stream = RandomStream(seed: 5)
        var weights = (0..<256 * 384).map { _ in BFloat16(stream.normal()) }
        for index in 0..<128 { weights[index] = BFloat16(bits: UInt16(index)) }
        for row in 128..<256 {
            for column in 256..<384 { weights[row * 384 + column] = BFloat16(bits: 0) }
        }
        let matrix = try QuantisedMatrix(quantising: weights, rows: 256, columns: 384)
        #expect(matrix.scales.count == 6)
        #expect(matrix.scales[5] == 1)
        for row in 0..<256 {
            for column in 0..<384 {
                let exact = weights[row * 384 + column].float
                let scale = matrix.scales[row / 128 * 3 + column / 128]
                let step = max(exact.magnitude / 8, scale / 64)
                #expect((matrix[row, column] - exact).magnitude <= step * 0.5001, "row \(row), column \(column)")
            }
        }
        for block in 0..<5 {
            let largest = (0..<128 * 128).map { index in
                matrix.values[(block / 3 * 128 + index / 128) * 384 + block % 3 * 128 + index % 128] & 0x7F
            }.max()
            #expect(largest == 0x7E, "block \(block)")
        }
    }

    @Test("Blocks of the smallest numbers have no NaN")
    func tiny() throws {
        let weights = [BFloat16](repeating: BFloat16(bits: 1), count: 128 * 128)
        let matrix = try QuantisedMatrix(quantising: weights, rows: 128, columns: 128)
        #expect(matrix.scales == [.leastNormalMagnitude])
        #expect(matrix[0, 0] == BFloat16(bits: 1).float)
    }

    @Test("Blocks at the edges may be parts of blocks, and zeros fill them up")
    func edges() throws {
        let (rows, columns) = (136, 200)
        let weights = (0..<rows * columns).map { BFloat16(Float($0 % 97) - 48) }
        let matrix = try QuantisedMatrix(quantising: weights, rows: rows, columns: columns)
        #expect(matrix.scales.count == 4)
        let padded = try matrix.padded()
        #expect([padded.rows, padded.columns] == [256, 256])
        #expect(padded.scales == matrix.scales)
        for row in 0..<256 {
            for column in 0..<256 {
                let isThere = row < rows && column < columns
                let expected = isThere ? weights[row * columns + column].float : 0
                #expect((padded[row, column] - expected).magnitude <= expected.magnitude / 15)
                #expect(!isThere || padded[row, column] == matrix[row, column])
            }
        }
        let whole = try QuantisedMatrix(
            quantising: [BFloat16](repeating: BFloat16(Float(1)), count: 128 * 128), rows: 128, columns: 128)
        #expect(try whole.padded() == whole)
        let scaled = try QuantisedMatrix(
            rows: 8, columns: 8, values: [UInt8](repeating: 0x38, count: 64), channelScales: (1...8).map { Float($0) })
        #expect(try scaled.padded().channelScales == (1...8).map { Float($0) } + [Float](repeating: 1, count: 120))
    }

    @Test("Shapes and counts are checked")
    func shapes() throws {
        for (rows, columns) in [(0, 128), (128, -128), (64, 4), (132, 128), (1 << 62, 128)] {
            #expect(
                throws: CheckpointError.dimensionNotMultiple(
                    matrix: "m", rows: rows, columns: columns, multiple: 8)
            ) {
                try QuantisedMatrix(rows: rows, columns: columns, values: [], scales: [], name: "m")
            }
        }
        #expect(throws: CheckpointError.countMismatch(matrix: "m", what: "values", expected: 16384, found: 1)) {
            try QuantisedMatrix(rows: 128, columns: 128, values: [0], scales: [1], name: "m")
        }
        #expect(throws: CheckpointError.countMismatch(matrix: "m", what: "scales", expected: 2, found: 1)) {
            try QuantisedMatrix(
                rows: 128, columns: 256, values: [UInt8](repeating: 0, count: 32768), scales: [1], name: "m")
        }
        #expect(throws: CheckpointError.self) { try QuantisedMatrix(quantising: [], rows: 128, columns: 128) }
    }
}
