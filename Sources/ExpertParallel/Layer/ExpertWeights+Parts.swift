import ExpertKernels

extension ExpertWeights {
    /// How many experts of `intermediate` channels, rounded up to a multiple of 128, a shared expert of `shared`
    /// channels becomes; 0 for none.
    public static func parts(ofShared shared: Int?, intermediate: Int) -> Int {
        let width = ScaleGroup.padded(intermediate)
        return shared.map { ($0 + width - 1) / width } ?? 0
    }

    /// The expert as several of `intermediate` channels each, rounded up to a multiple of 128, whose outputs add up to
    /// its own. The last one is filled up with weights of zero.
    package func parts(intermediate: Int) throws -> [ExpertWeights] {
        let intermediate = ScaleGroup.padded(intermediate)
        return try stride(from: 0, to: gate.rows, by: intermediate).map { first in
            ExpertWeights(
                gate: try gate.part(rows: first, intermediate, columns: 0, gate.columns),
                up: try up.part(rows: first, intermediate, columns: 0, up.columns),
                down: try down.part(rows: 0, down.rows, columns: first, intermediate))
        }
    }
}

extension ExpertWeights {
    /// The expert in the sizes that kernels have, with zeros where it has no weights.
    ///
    /// - Parameters:
    ///   - shape: Whose expert it is.
    ///   - isShared: Whether it is one of the `parts` of a shared expert, which are padded between the projections.
    ///   - number: For errors.
    /// - Throws: `GroupError.weightShape` for a matrix of another size than the shape's.
    func padded(_ shape: LayerShape, isShared: Bool, number: Int) throws -> ExpertWeights {
        let (hidden, intermediate) = (shape.hidden, isShared ? shape.paddedIntermediate : shape.intermediate)
        func padded(_ matrix: QuantisedMatrix, _ rows: Int, _ columns: Int, _ name: String) throws -> QuantisedMatrix {
            guard matrix.rows == rows, matrix.columns == columns else {
                throw GroupError.weightShape(
                    matrix: "\(name) of expert \(number)", rows: matrix.rows, columns: matrix.columns,
                    expectedRows: rows, expectedColumns: columns)
            }
            return try matrix.padded()
        }
        return ExpertWeights(
            gate: try padded(gate, intermediate, hidden, "gate"), up: try padded(up, intermediate, hidden, "up"),
            down: try padded(down, hidden, intermediate, "down"))
    }
}

extension QuantisedMatrix {
    /// The matrix filled up to whole blocks with weights of zero.
    package func padded() throws -> QuantisedMatrix {
        try part(rows: 0, ScaleGroup.padded(rows), columns: 0, ScaleGroup.padded(columns))
    }

    /// `rows` rows and `columns` columns from a place on, zeros where there are no more. The place is at multiples of
    /// 128.
    fileprivate func part(
        rows firstRow: Int, _ rows: Int, columns firstColumn: Int, _ columns: Int
    ) throws -> QuantisedMatrix {
        if (firstRow, rows, firstColumn, columns) == (0, self.rows, 0, self.columns) { return self }
        let block = Self.block
        let (groups, ownGroups) = (ScaleGroup.groups(columns), ScaleGroup.groups(self.columns))
        var values = [UInt8](repeating: 0, count: rows * columns)
        var scales = [Float](repeating: 1, count: ScaleGroup.groups(rows) * groups)
        let width = min(columns, self.columns - firstColumn)
        for row in 0..<min(rows, self.rows - firstRow) {
            let source = (firstRow + row) * self.columns + firstColumn
            values.replaceSubrange(row * columns..<row * columns + width, with: self.values[source..<source + width])
            if row % block == 0 {
                let source = (firstRow + row) / block * ownGroups + firstColumn / block
                let (target, count) = (row / block * groups, ScaleGroup.groups(width))
                scales.replaceSubrange(target..<target + count, with: self.scales[source..<source + count])
            }
        }
        let ofRows = channelScales.map { Array($0[firstRow..<min(firstRow + rows, self.rows)]) }
        return try QuantisedMatrix(
            rows: rows, columns: columns, values: values, scales: scales,
            channelScales: ofRows.map { $0 + [Float](repeating: 1, count: rows - $0.count) })
    }
}
