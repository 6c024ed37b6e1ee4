import KernelLanguage

/// A weight matrix in FP8 E4M3 with one FP32 scale for each block of 128 x 128, and perhaps one for each row.
///
/// The weight at row `r` and column `c` is
/// `Float8E4M3(bits: values[r * columns + c]).float * scales[r / 128 * (columns / 128) + c / 128] * channelScales[r]`.
public struct QuantisedMatrix: Hashable, Sendable {
    /// Rows and columns of a quantisation block.
    public static let block = 128

    /// Output features; a multiple of 128.
    public let rows: Int
    /// Input features; a multiple of 128.
    public let columns: Int
    /// E4M3 codes, row-major `[rows, columns]`, none of them NaN when they come from a checkpoint.
    public let values: [UInt8]
    /// Row-major `[rows / 128, columns / 128]`.
    public let scales: [Float]
    /// `[rows]`, one for each output channel; nil where all are 1.
    public let channelScales: [Float]?
    /// What was lost when the matrix was quantised here; nil if it came as it is, or was converted exactly.
    public let loss: ConversionLoss?

    /// A matrix of these codes and scales.
    ///
    /// Throws `dimensionNotMultiple` unless rows and columns are positive multiples of 128, `countMismatch` when there
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
            for block in 0..<blocks.count {
                let row = block / (columns / Self.block) * Self.block
                let column = block % (columns / Self.block) * Self.block
                var largest: Float = 0
                for r in row..<row + Self.block {
                    for c in column..<column + Self.block {
                        largest = max(largest, weights[r * columns + c].float.magnitude)
                    }
                }
                // A scale below the normal range would lose the bits that the codes are divided by.
                let scale = largest == 0 ? 1 : max(largest / Float8E4M3.largest, .leastNormalMagnitude)
                scales[block] = scale
                for r in row..<row + Self.block {
                    for c in column..<column + Self.block {
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

    /// A matrix whose blocks are exactly those that `block` fills in, row-major `[128, 128]`, by the first row and
    /// column.
    ///
    /// Returns nil and the block's place where no FP32 scale makes all of its numbers E4M3 numbers. Throws
    /// `dimensionNotMultiple`, and what `fill` throws.
    init?(
        exactly rows: Int, columns: Int, name: String, inexact: inout (row: Int, column: Int)?,
        fill: (_ row: Int, _ column: Int, _ block: inout [Double]) throws(CheckpointError) -> Void
    ) throws(CheckpointError) {
        let blocks = try Self.blocks(rows: rows, columns: columns, name: name)
        var scales = [Float](repeating: 1, count: blocks.count)
        var values = [UInt8](repeating: 0, count: blocks.elements)
        var block = [Double](repeating: 0, count: Self.block * Self.block)
        for index in 0..<blocks.count {
            let row = index / (columns / Self.block) * Self.block
            let column = index % (columns / Self.block) * Self.block
            try fill(row, column, &block)
            guard let (scale, codes) = ExactBlock.codes(of: block) else {
                inexact = (row, column)
                return nil
            }
            scales[index] = scale
            for r in 0..<Self.block {
                let start = (row + r) * columns + column
                values.replaceSubrange(start..<start + Self.block, with: codes[r * Self.block..<(r + 1) * Self.block])
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
            * scales[row / Self.block * (columns / Self.block) + column / Self.block] * (channelScales?[row] ?? 1)
    }

    private static func blocks(
        rows: Int, columns: Int, name: String
    ) throws(CheckpointError) -> (count: Int, elements: Int) {
        let (elements, overflow) = rows.multipliedReportingOverflow(by: columns)
        guard rows > 0, columns > 0, rows % block == 0, columns % block == 0, !overflow else {
            throw .dimensionNotMultiple(matrix: name, rows: rows, columns: columns, multiple: block)
        }
        return (rows / block * (columns / block), elements)
    }
}
