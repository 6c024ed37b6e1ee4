import Accelerator

/// The FP8 weights of one GEMM for a set of experts, with their scales, on a device.
package struct WeightBuffer {
    /// Output channels of one expert.
    package let rows: Int
    /// Channels summed over.
    package let columns: Int
    /// FP8 `[experts, rows, columns]`.
    package let values: DeviceBuffer
    /// Float32 `[experts, rows / 128, columns / 128]`.
    package let scales: DeviceBuffer
    private let device: any Device

    package init(_ device: any Device, rows: Int, columns: Int, experts: Int, label: String) throws {
        self.device = device
        self.rows = rows
        self.columns = columns
        values = try device.allocate(bytes: experts * rows * columns, label: "weights: \(label)")
        scales = try device.allocate(
            bytes: experts * (rows / 128) * (columns / 128) * 4, label: "weight scales: \(label)")
    }

    /// Uploads a matrix as part `part` of `parts` equal parts, one below the other, of an expert's rows.
    package func write(_ matrix: QuantisedMatrix, of expert: Int, part: Int, parts: Int, name: String) throws {
        let partRows = rows / parts
        guard matrix.rows == partRows, matrix.columns == columns else {
            throw GroupError.weightShape(
                matrix: "\(name) of expert \(expert)", rows: matrix.rows, columns: matrix.columns,
                expectedRows: partRows, expectedColumns: columns)
        }
        if let index = matrix.scales.firstIndex(where: { !$0.isFinite }) {
            throw GroupError.weightScale(matrix: "\(name) of expert \(expert)", index: index)
        }
        let place = expert * parts + part
        try device.write(matrix.values, to: values, offset: place * partRows * columns)
        try device.write(matrix.scales, to: scales, offset: place * (partRows / 128) * (columns / 128) * 4)
    }
}
