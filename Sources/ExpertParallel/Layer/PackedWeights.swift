import ExpertKernels

/// An expert's weights in the order in which the grouped GEMM streams them: for each tile of 256 (or 128) output
/// channels and each k-block of 128 channels one contiguous run of 32 (or 16) KiB, just as it has to lie in shared
/// memory. Reads of whole runs keep the memory at full speed, which reads of 128 bytes from each of 256 rows do not.
package struct PackedWeights {
    /// FP8 `[n / tileN, k / 128, tileN, 128]`, zeros where `n` has no more channels; of each 128 bytes, groups of 16
    /// are permuted by exclusive or of their index and the row's, modulo 8 (the 128-byte swizzle of PTX).
    let values: [UInt8]
    /// Float32 `[n / 128, k / 128]`.
    let scales: [Float]
    /// Float32 `[n]`; nil where all are 1.
    let channelScales: [Float]?

    /// Bytes that are moved together.
    static let groupBytes = 16

    /// Packs a matrix.
    package init(_ matrix: QuantisedMatrix, tileN: Int = TileShape.maxN) {
        values = Self.packed(rows: matrix.rows, columns: matrix.columns, tileRows: tileN) { (matrix.values, $0) }
        scales = matrix.scales
        channelScales = matrix.channelScales
    }

    /// Packs gate and up, which have the same shape, for the GEMM with SwiGLU: 8 rows of each in turns, with their
    /// scales, and one row of scales of blocks of each in turns.
    package init(gate: QuantisedMatrix, up: QuantisedMatrix) {
        values = Self.packed(
            rows: 2 * gate.rows, columns: gate.columns, tileRows: TileShape.maxN
        ) { row in
            (row / 8 % 2 == 0 ? gate.values : up.values, row / 16 * 8 + row % 8)
        }
        let groups = gate.columns / QuantisedRow.block
        scales = stride(from: 0, to: gate.scales.count, by: groups).flatMap { start in
            gate.scales[start..<start + groups] + up.scales[start..<start + groups]
        }
        let pair = QuantisedMatrix.channelScales(of: gate, up)
        channelScales = pair.map { gate, up in
            stride(from: 0, to: gate.count, by: 8).flatMap { gate[$0..<$0 + 8] + up[$0..<$0 + 8] }
        }
    }

    /// - Parameter source: Where row `row` of the result comes from: a matrix of `columns` columns, and the row in it.
    private static func packed(rows: Int, columns: Int, tileRows: Int, source: (Int) -> ([UInt8], Int)) -> [UInt8] {
        let runBytes = TileShape.k
        let bytes = TileShape.across(rows, tileN: tileRows) * tileRows * columns
        return [UInt8](unsafeUninitializedCapacity: bytes) { target, count in
            target.initialize(repeating: 0)
            count = bytes
            let target = UnsafeMutableRawBufferPointer(target)
            for row in 0..<rows {
                let (matrix, sourceRow) = source(row)
                let first = row / tileRows * tileRows * columns + row % tileRows * runBytes
                matrix.withUnsafeBytes { matrix in
                    for chunk in 0..<columns / 16 {
                        let (kBlock, place) = (chunk / 8, (chunk % 8) ^ (row % 8))
                        let value = matrix.loadUnaligned(
                            fromByteOffset: sourceRow * columns + chunk * 16, as: SIMD16<UInt8>.self)
                        target.storeBytes(
                            of: value, toByteOffset: first + kBlock * tileRows * runBytes + place * 16,
                            as: SIMD16<UInt8>.self)
                    }
                }
            }
        }
    }
}

extension QuantisedMatrix {
    /// The scales of rows of two matrices that become one; nil if neither has any.
    static func channelScales(
        of gate: QuantisedMatrix, _ up: QuantisedMatrix
    ) -> (gate: [Float], up: [Float])? {
        guard gate.channelScales != nil || up.channelScales != nil else { return nil }
        return (gate.scalesOfRows, up.scalesOfRows)
    }

    private var scalesOfRows: [Float] { channelScales ?? [Float](repeating: 1, count: rows) }
}
