import ExpertKernels
import KernelLanguage

/// A weight matrix on disk, in one of the known formats: a whole tensor, or a part of a stacked one.
struct MatrixSource {
    let format: WeightFormat
    private let values: TensorSource
    private let scales: TensorSource?
    /// NVFP4's factor on all scales, and whether scales are divided by it.
    private let global: (source: TensorSource, divides: Bool)?
    private let rows: Int
    private let columns: Int

    /// The place of a matrix in a stacked tensor.
    struct Place {
        /// Index of the expert, and the number of experts.
        var expert: (index: Int, count: Int)?
        /// Index among matrices that are stacked along their rows, and their number.
        var part: (index: Int, count: Int) = (0, 1)
        /// Whether the tensor's name has no `.weight` behind it.
        var isParameter = false
    }

    /// Finds the tensors of a matrix and checks their types and shapes.
    ///
    /// Throws `tensorMissing`, `typeMismatch`, `shapeMismatch`, `dimensionNotMultiple`, and `quantisationUndeclared`.
    init(
        _ lookup: TensorLookup, _ name: String, rows: Int, columns: Int, _ place: Place = Place(),
        declared: QuantisationDeclaration
    ) throws(CheckpointError) {
        let finder = MatrixFinder(lookup: lookup, name: name, rows: rows, columns: columns, place: place)
        (format, values, scales, global) = try finder.find()
        self.rows = rows
        self.columns = columns
        if case .float8Blocks = format, place.part.count > 1, rows % QuantisedMatrix.block != 0 {
            // One above the other: blocks of the first would reach into the next.
            throw .dimensionNotMultiple(
                matrix: values.tensor.name, rows: rows, columns: columns, multiple: QuantisedMatrix.block)
        }
        let step = format.columnStep
        guard rows % LayerShape.channelStep == 0, columns % step == 0 else {
            throw .dimensionNotMultiple(matrix: values.tensor.name, rows: rows, columns: columns, multiple: step)
        }
        if format != .bfloat16, declared.method == nil {
            throw .quantisationUndeclared(
                file: values.file.path, tensor: values.tensor.name, format: format.description)
        }
    }

    /// Reads the matrix. Throws `valueNotFinite` and `conversionInexact`.
    func load() throws(CheckpointError) -> QuantisedMatrix {
        let name = values.tensor.name
        switch format {
        case .bfloat16:
            return try QuantisedMatrix(quantising: try values.bfloats(), rows: rows, columns: columns, name: name)
        case .float8Blocks:
            return try QuantisedMatrix(
                rows: rows, columns: columns, values: try values.float8Codes(), scales: try scaleValues(), name: name)
        case .float8PerTensor:
            let count = ScaleGroup.groups(rows) * ScaleGroup.groups(columns)
            let scale = try scaleValues().first ?? 1
            return try QuantisedMatrix(
                rows: rows, columns: columns, values: try values.float8Codes(),
                scales: [Float](repeating: scale, count: count), name: name)
        case .float8PerRow:
            return try QuantisedMatrix(
                rows: rows, columns: columns, values: try values.float8Codes(), channelScales: try scaleValues(),
                name: name)
        case .mxfp4, .nvfp4: return try fourBitFloats()
        case .int4(let group):
            let words = values.words()
            let scales = try scaleValues()
            return try exactly { row, column in
                let word = words[(row * columns + column) / 8]
                let number = Int(word >> UInt32(column % 8 * 4) & 15) - 8
                return Double(number) * Double(scales[(row * columns + column) / group])
            }
        }
    }

    private func fourBitFloats() throws(CheckpointError) -> QuantisedMatrix {
        let group = format == .mxfp4 ? 32 : 16
        let codes = values.bytes()
        let scales = try scaleValues().map(Double.init)
        var factor = 1.0
        if let global {
            let value = Double(try global.source.floats().first ?? 1)
            factor = global.divides ? 1 / value : value
        }
        return try exactly { row, column in
            let index = row * columns + column
            // Even columns in the lower half of a byte.
            let code = codes[index / 2] >> UInt8(index % 2 * 4) & 15
            return Self.e2m1[Int(code)] * scales[index / group] * factor
        }
    }

    private static let e2m1: [Double] = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6]

    private func scaleValues() throws(CheckpointError) -> [Float] {
        guard let scales else { return [] }
        return scales.tensor.type == .uint8 ? try scales.powersOfTwo() : try scales.floats()
    }

    private func exactly(_ value: (Int, Int) -> Double) throws(CheckpointError) -> QuantisedMatrix {
        var inexact: (row: Int, column: Int)?
        let matrix = try QuantisedMatrix(
            exactly: rows, columns: columns, name: values.tensor.name, inexact: &inexact
        ) { rows, columns, values in
            for (r, row) in rows.enumerated() {
                for (c, column) in columns.enumerated() { values[r * columns.count + c] = value(row, column) }
            }
        }
        guard let matrix else {
            throw .conversionInexact(
                file: values.file.path, tensor: values.tensor.name, format: format.description,
                row: inexact?.row ?? 0, column: inexact?.column ?? 0)
        }
        return matrix
    }
}
