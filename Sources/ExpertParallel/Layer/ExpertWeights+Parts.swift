import KernelLanguage

extension ExpertWeights {
    /// How many experts of `intermediate` channels a shared expert of `shared` channels becomes; 0 for none.
    public static func parts(ofShared shared: Int?, intermediate: Int) -> Int {
        shared.map { ($0 + intermediate - 1) / intermediate } ?? 0
    }

    /// The expert as several of `intermediate` channels each, whose outputs add up to its own. The last one is filled
    /// up with weights of zero.
    package func parts(intermediate: Int) throws -> [ExpertWeights] {
        try stride(from: 0, to: gate.rows, by: intermediate).map { first in
            ExpertWeights(
                gate: try gate.part(rows: first, intermediate, columns: 0, gate.columns),
                up: try up.part(rows: first, intermediate, columns: 0, up.columns),
                down: try down.part(rows: 0, down.rows, columns: first, intermediate))
        }
    }
}

extension QuantisedMatrix {
    /// `rows` rows and `columns` columns from a place on, zeros where there are no more; all multiples of 128.
    fileprivate func part(
        rows firstRow: Int, _ rows: Int, columns firstColumn: Int, _ columns: Int
    ) throws -> QuantisedMatrix {
        if (firstRow, rows, firstColumn, columns) == (0, self.rows, 0, self.columns) { return self }
        let block = Self.block
        var values = [UInt8](repeating: 0, count: rows * columns)
        var scales = [Float](repeating: 1, count: rows / block * (columns / block))
        let width = min(columns, self.columns - firstColumn)
        for row in 0..<min(rows, self.rows - firstRow) {
            let source = (firstRow + row) * self.columns + firstColumn
            values.replaceSubrange(row * columns..<row * columns + width, with: self.values[source..<source + width])
            if row % block == 0 {
                let source = (firstRow + row) / block * (self.columns / block) + firstColumn / block
                let target = row / block * (columns / block)
                scales.replaceSubrange(
                    target..<target + width / block, with: self.scales[source..<source + width / block])
            }
        }
        let ofRows = channelScales.map { Array($0[firstRow..<min(firstRow + rows, self.rows)]) }
        return try QuantisedMatrix(
            rows: rows, columns: columns, values: values, scales: scales,
            channelScales: ofRows.map { $0 + [Float](repeating: 1, count: rows - $0.count) })
    }
}
