import Accelerator
import ExpertKernels

/// The FP8 weights of one GEMM for a set of experts, with their scales, on a device.
package struct WeightBuffer {
    /// Output channels of one expert.
    package let rows: Int
    /// Channels summed over.
    package let columns: Int
    /// Output channels of a tile, `TileShape.n`.
    package let tileN: Int
    /// See `PackedWeights`.
    package let values: DeviceBuffer
    /// Float32 `[experts, rows / 128, columns / 128]`.
    package let scales: DeviceBuffer
    let device: any Device

    package init(
        _ device: any Device, rows: Int, columns: Int, experts: Int, tileN: Int = TileShape.maxN,
        label: String
    ) throws {
        self.device = device
        self.rows = rows
        self.columns = columns
        self.tileN = tileN
        let tileRows = TileShape.across(rows, tileN: tileN) * tileN
        values = try device.allocate(bytes: experts * tileRows * columns, label: "weights: \(label)")
        scales = try device.allocate(
            bytes: experts * (rows / 128) * (columns / 128) * 4, label: "weight scales: \(label)")
    }

    /// Weights in memory that somebody else has allocated.
    init(
        _ device: any Device, rows: Int, columns: Int, tileN: Int, values: DeviceBuffer, scales: DeviceBuffer
    ) {
        self.device = device
        self.rows = rows
        self.columns = columns
        self.tileN = tileN
        self.values = values
        self.scales = scales
    }

    /// Uploads the matrix of an expert.
    package func write(_ matrix: QuantisedMatrix, of expert: Int, name: String) throws {
        try require(matrix, rows: rows, "\(name) of expert \(expert)")
        try write(PackedWeights(matrix, tileN: tileN), of: expert)
    }

    /// Uploads gate and up of an expert, for the GEMM with SwiGLU.
    package func write(gate: QuantisedMatrix, up: QuantisedMatrix, of expert: Int) throws {
        try require(gate, rows: rows / 2, "gate of expert \(expert)")
        try require(up, rows: rows / 2, "up of expert \(expert)")
        try write(PackedWeights(gate: gate, up: up), of: expert)
    }

    /// Uploads gate and up of an expert, for a GEMM after which another kernel applies SwiGLU.
    package func write(gateAboveUp gate: QuantisedMatrix, _ up: QuantisedMatrix, of expert: Int) throws {
        try require(gate, rows: rows / 2, "gate of expert \(expert)")
        try require(up, rows: rows / 2, "up of expert \(expert)")
        let both = try QuantisedMatrix(
            rows: rows, columns: columns, values: gate.values + up.values, scales: gate.scales + up.scales)
        try write(PackedWeights(both, tileN: tileN), of: expert)
    }

    /// Uploads weights of the buffer's shape.
    package func write(_ packed: PackedWeights, of expert: Int) throws {
        try device.write(packed.values, to: values, offset: expert * packed.values.count)
        try device.write(packed.scales, to: scales, offset: expert * packed.scales.count * 4)
    }

    private func require(_ matrix: QuantisedMatrix, rows: Int, _ name: String) throws {
        guard matrix.rows == rows, matrix.columns == columns else {
            throw GroupError.weightShape(
                matrix: name, rows: matrix.rows, columns: matrix.columns, expectedRows: rows, expectedColumns: columns)
        }
        if let index = matrix.scales.firstIndex(where: { !$0.isFinite }) {
            throw GroupError.weightScale(matrix: name, index: index)
        }
    }
}
