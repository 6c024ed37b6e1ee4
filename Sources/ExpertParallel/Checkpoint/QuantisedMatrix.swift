import ExpertKernels
import KernelLanguage

/// A weight matrix in FP8 E4M3 with one FP32 scale for each block of 128 x 128, and perhaps one for each row.
///
/// The weight at row `r` and column `c` is `Float8E4M3(bits: values[r * columns + c]).float * scales[r / 128 * groups +
/// c / 128] * channelScales[r]`, where `groups` is `columns / 128` rounded up. The last blocks of rows and columns may
/// be partial.
public struct QuantisedMatrix: Hashable, Sendable {
    /// Rows and columns of a quantisation block.
    public static let block = 128

    /// Output features; a multiple of 8.
    public let rows: Int
    /// Input features; a multiple of 8.
    public let columns: Int
    /// E4M3 codes, row-major `[rows, columns]`, none of them NaN when they come from a checkpoint.
    public let values: [UInt8]
    /// Row-major `[rows / 128, columns / 128]`, both rounded up.
    public let scales: [Float]
    /// `[rows]`, one for each output channel; nil where all are 1.
    public let channelScales: [Float]?
    /// Loss of quantising the matrix here; nil if it was FP8 already, or was converted exactly.
    public let loss: ConversionLoss?

    /// A matrix of these codes and scales.
    ///
    /// Throws `dimensionNotMultiple` unless rows and columns are positive multiples of 8, `countMismatch` when there
    /// are not `rows * columns` values, one scale per block and, if any, one per row. `name` is for the message only.
    public init(
        rows: Int, columns: Int, values: [UInt8], scales: [Float], channelScales: [Float]? = nil,
        name: String = "of weights"
    ) throws(CheckpointError) {
        let blocks = try Self.blocks(rows: rows, columns: columns, name: name)
        guard values.count == blocks.elements else {
            throw .countMismatch(matrix: name, what: "values", expected: blocks.elements, found: values.count)
        }
        guard scales.count == blocks.count else {
            throw .countMismatch(matrix: name, what: "scales", expected: blocks.count, found: scales.count)
        }
        if let channelScales, channelScales.count != rows {
            throw .countMismatch(matrix: name, what: "scales of rows", expected: rows, found: channelScales.count)
        }
        self.rows = rows
        self.columns = columns
        self.values = values
        self.scales = scales
        self.channelScales = channelScales
        loss = nil
    }

    /// A matrix of these codes with one scale for each row, and 1 for all blocks. Throws as the other initialiser.
    public init(
        rows: Int, columns: Int, values: [UInt8], channelScales: [Float], name: String = "of weights"
    ) throws(CheckpointError) {
        let blocks = try Self.blocks(rows: rows, columns: columns, name: name)
        try self.init(
            rows: rows, columns: columns, values: values, scales: [Float](repeating: 1, count: blocks.count),
            channelScales: channelScales, name: name)
    }

    /// Quantises a matrix `[rows, columns]`: per block, the scale is the largest magnitude / 448 and each code the
    /// nearest E4M3 number to weight / scale. A block of zeros has the scale 1.
    ///
    /// Throws as the other initialiser.
    public init(
        quantising weights: [BFloat16], rows: Int, columns: Int, name: String = "of weights"
    ) throws(CheckpointError) {
        let blocks = try Self.blocks(rows: rows, columns: columns, name: name)
        guard weights.count == blocks.elements else {
            throw .countMismatch(matrix: name, what: "values", expected: blocks.elements, found: weights.count)
        }
        var scales = [Float](repeating: 1, count: blocks.count)
        var loss = ConversionLoss()
        let values = [UInt8](unsafeUninitializedCapacity: weights.count) { codes, count in
            for (index, block) in blocks.all.enumerated() {
                var largest: Float = 0
                for r in block.rows {
                    for c in block.columns {
                        largest = max(largest, weights[r * columns + c].float.magnitude)
                    }
                }
                // A subnormal scale has too few significant bits for the division.
                let scale = largest == 0 ? 1 : max(largest / Float8E4M3.largest, .leastNormalMagnitude)
                scales[index] = scale
                for r in block.rows {
                    for c in block.columns {
                        let weight = weights[r * columns + c].float
                        let code = Float8E4M3(weight / scale)
                        codes[r * columns + c] = code.bits
                        loss.add(exact: Double(weight), kept: Double(code.float) * Double(scale))
                    }
                }
            }
            count = weights.count
        }
        self.rows = rows
        self.columns = columns
        self.values = values
        self.scales = scales
        channelScales = nil
        self.loss = loss
    }

    /// A matrix whose blocks are exactly those that `fill` writes, row-major, given their rows and columns.
    ///
    /// Returns nil and the block's place where no FP32 scale makes all of its numbers E4M3 numbers. Throws
    /// `dimensionNotMultiple`, and what `fill` throws.
    init?(
        exactly rows: Int, columns: Int, name: String, inexact: inout (row: Int, column: Int)?,
        fill: (_ rows: Range<Int>, _ columns: Range<Int>, _ block: inout [Double]) throws(CheckpointError) -> Void
    ) throws(CheckpointError) {
        let blocks = try Self.blocks(rows: rows, columns: columns, name: name)
        var scales = [Float](repeating: 1, count: blocks.count)
        var values = [UInt8](repeating: 0, count: blocks.elements)
        for (index, place) in blocks.all.enumerated() {
            let width = place.columns.count
            var block = [Double](repeating: 0, count: place.rows.count * width)
            try fill(place.rows, place.columns, &block)
            guard let (scale, codes) = ExactBlock.codes(of: block) else {
                inexact = (place.rows.lowerBound, place.columns.lowerBound)
                return nil
            }
            scales[index] = scale
            for (number, row) in place.rows.enumerated() {
                let start = row * columns + place.columns.lowerBound
                values.replaceSubrange(start..<start + width, with: codes[number * width..<(number + 1) * width])
            }
        }
        self.rows = rows
        self.columns = columns
        self.values = values
        self.scales = scales
        channelScales = nil
        loss = nil
    }

    /// The value of one weight.
    public subscript(row: Int, column: Int) -> Float {
        Float8E4M3(bits: values[row * columns + column]).float
            * scales[row / Self.block * ScaleGroup.groups(columns) + column / Self.block] * (channelScales?[row] ?? 1)
    }

    private static func blocks(rows: Int, columns: Int, name: String) throws(CheckpointError) -> Blocks {
        let (elements, overflow) = rows.multipliedReportingOverflow(by: columns)
        let step = LayerShape.channelStep
        guard rows > 0, columns > 0, rows % step == 0, columns % step == 0, !overflow else {
            throw .dimensionNotMultiple(matrix: name, rows: rows, columns: columns, multiple: step)
        }
        return Blocks(rows: rows, columns: columns, elements: elements)
    }

    /// The blocks of a matrix.
    private struct Blocks {
        let rows: Int
        let columns: Int
        let elements: Int

        var count: Int { ScaleGroup.groups(rows) * ScaleGroup.groups(columns) }

        /// Their rows and columns, in the order of scales.
        var all: [(rows: Range<Int>, columns: Range<Int>)] {
            func parts(_ count: Int) -> [Range<Int>] {
                stride(from: 0, to: count, by: QuantisedMatrix.block).map {
                    $0..<min($0 + QuantisedMatrix.block, count)
                }
            }
            let across = parts(columns)
            return parts(rows).flatMap { rows in across.map { (rows, $0) } }
        }
    }
}
