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
    /// Float32 `[experts, rows]`, in the order of the packed rows; nil where weights have no scales of rows.
    package let channelScales: DeviceBuffer?
    let device: any Device

    /// Allocates it.
    ///
    /// - Parameter channelScales: Whether weights may have a scale for each row. They are 1 until others are written.
    package init(
        _ device: any Device, rows: Int, columns: Int, experts: Int, tileN: Int = TileShape.maxN,
        channelScales: Bool = false, label: String
    ) throws {
        self.device = device
        self.rows = rows
        self.columns = columns
        self.tileN = tileN
        let tileRows = TileShape.across(rows, tileN: tileN) * tileN
        values = try device.allocate(bytes: experts * tileRows * columns, label: "weights: \(label)")
        scales = try device.allocate(
            bytes: experts * (rows / 128) * (columns / 128) * 4, label: "weight scales: \(label)")
        self.channelScales =
            try channelScales
            ? device.makeBuffer([Float](repeating: 1, count: experts * rows), label: "channel scales: \(label)") : nil
    }

    /// Weights in memory of the caller's.
    init(
        _ device: any Device, rows: Int, columns: Int, tileN: Int, values: DeviceBuffer, scales: DeviceBuffer
    ) {
        self.device = device
        self.rows = rows
        self.columns = columns
        self.tileN = tileN
        self.values = values
        self.scales = scales
        channelScales = nil
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
            rows: rows, columns: columns, values: gate.values + up.values, scales: gate.scales + up.scales,
            channelScales: QuantisedMatrix.channelScales(of: gate, up).map { $0.gate + $0.up })
        try write(PackedWeights(both, tileN: tileN), of: expert)
    }

    /// Uploads weights of the buffer's shape.
    package func write(_ packed: PackedWeights, of expert: Int) throws {
        try device.write(packed.values, to: values, offset: expert * packed.values.count)
        try device.write(packed.scales, to: scales, offset: expert * packed.scales.count * 4)
        precondition(packed.channelScales == nil || channelScales != nil, "scales of rows need memory")
        if let channelScales {
            let own = packed.channelScales ?? [Float](repeating: 1, count: rows)
            try device.write(own, to: channelScales, offset: expert * rows * 4)
        }
    }

    private func require(_ matrix: QuantisedMatrix, rows: Int, _ name: String) throws {
        guard matrix.rows == rows, matrix.columns == columns else {
            throw GroupError.weightShape(
                matrix: name, rows: matrix.rows, columns: matrix.columns, expectedRows: rows, expectedColumns: columns)
        }
        if let index = matrix.scales.firstIndex(where: { !$0.isFinite }) {
            throw GroupError.weightScale(matrix: name, index: index)
        }
        guard let own = matrix.channelScales else { return }
        guard channelScales != nil else { throw GroupError.channelScalesUnexpected(matrix: name) }
        if let row = own.firstIndex(where: { !$0.isFinite }) { throw GroupError.channelScale(matrix: name, row: row) }
    }
}
