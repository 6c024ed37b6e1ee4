import Accelerator
import ExpertKernels
import KernelLanguage

/// FP8 weights of experts in device memory as engines hold them: row by row, with one Float32 scale for each 128 x 128.
/// The memory must stay until the work enqueued with it has ended.
package struct UnpackedWeights: Sendable {
    /// FP8 E4M3 `[experts, rows, columns]`, at a multiple of 16 bytes.
    package var values: DeviceBuffer
    /// Float32 `[experts, rows / 128, columns / 128]`, both rounded up.
    package var scales: DeviceBuffer
    /// Rows of a matrix, a multiple of 8.
    package var rows: Int
    /// Columns of a matrix, a multiple of 16.
    package var columns: Int
    /// Bytes from one row to the next, a multiple of 16.
    package var rowBytes: Int
    /// Bytes from one expert to the next, a multiple of 16.
    package var expertBytes: Int
    /// Scales from one row of them to the next.
    package var scalesOfRow: Int
    /// Scales from one expert to the next.
    package var scalesOfExpert: Int

    /// Weights without gaps, unless strides are given.
    package init(
        values: DeviceBuffer, scales: DeviceBuffer, rows: Int, columns: Int, rowBytes: Int? = nil,
        expertBytes: Int? = nil, scalesOfRow: Int? = nil, scalesOfExpert: Int? = nil
    ) {
        self.values = values
        self.scales = scales
        self.rows = rows
        self.columns = columns
        self.rowBytes = rowBytes ?? columns
        self.expertBytes = expertBytes ?? rows * self.rowBytes
        self.scalesOfRow = scalesOfRow ?? ScaleGroup.groups(columns)
        self.scalesOfExpert = scalesOfExpert ?? ScaleGroup.groups(rows) * self.scalesOfRow
    }

    /// Checks that the matrices of `experts` experts can be packed, and are no larger than `mostRows` x `mostColumns`.
    fileprivate func validate(experts: Int, rows mostRows: Int, columns mostColumns: Int) throws {
        func require(_ name: String, _ value: Int, atLeast least: Int, upTo most: Int, step: Int) throws(ShapeError) {
            guard (least...most).contains(value), value % step == 0 else {
                throw ShapeError(name: name, value: value, range: least...most, step: step)
            }
        }
        let (most, farthest, step) = (Int(UInt32.max), 1 << 40, PackedWeights.groupBytes)
        let rowStep = LayerShape.channelStep
        try require("rows of unpacked weights", rows, atLeast: rowStep, upTo: mostRows, step: rowStep)
        try require("columns of unpacked weights", columns, atLeast: step, upTo: mostColumns, step: step)
        try require("bytes from row to row", rowBytes, atLeast: columns, upTo: most, step: step)
        try require("bytes from expert to expert", expertBytes, atLeast: 0, upTo: farthest, step: step)
        try require("scales from row to row", scalesOfRow, atLeast: ScaleGroup.groups(columns), upTo: most, step: 1)
        try require("scales from expert to expert", scalesOfExpert, atLeast: 0, upTo: farthest, step: 1)
        try Self.require(
            values, needed: (experts - 1) * expertBytes + (rows - 1) * rowBytes + columns,
            alignment: PackedWeights.groupBytes)
        let scaleCount =
            (experts - 1) * scalesOfExpert + (ScaleGroup.groups(rows) - 1) * scalesOfRow + ScaleGroup.groups(columns)
        try Self.require(scales, needed: scaleCount * 4, alignment: 4)
    }

    fileprivate static func require(_ buffer: DeviceBuffer, needed: Int, alignment: Int) throws(GroupError) {
        guard buffer.bytes >= needed else {
            throw .bufferTooSmall(buffer.label, bytes: buffer.bytes, needed: needed)
        }
        guard buffer.address % UInt64(alignment) == 0 else {
            throw .misaligned(buffer.label, address: buffer.address, alignment: alignment)
        }
    }
}

/// Packing of weights that are on the device already; see `PackedWeights`. The packed weights are bit for bit those
/// that `write` uploads. All functions only enqueue work on a stream.
///
/// They throw `ShapeError` for rows that are no multiples of 8, columns that are none of 16, and for strides that are
/// too small, `GroupError.bufferTooSmall` or `.misaligned` for memory that kernels cannot read so, and `DeviceError`.
/// Scales are not looked at: one that is not finite shows in the layer's output alone.
extension WeightBuffer {
    /// Packs a matrix of each of these experts. Rows and columns that the source does not have are weights of 0, and
    /// blocks of them have scales of 1.
    package func pack(_ source: UnpackedWeights, of experts: Range<Int>, on stream: DeviceStream) throws {
        try pack(source, nil, .matrix, of: experts, on: stream)
    }

    /// Packs gate and up of each of these experts, for the GEMM with SwiGLU.
    package func pack(
        gate: UnpackedWeights, up: UnpackedWeights, of experts: Range<Int>, on stream: DeviceStream
    ) throws {
        try pack(gate, up, .gateUpInTurns, of: experts, on: stream)
    }

    /// Packs gate and up of each of these experts, for a GEMM after which another kernel applies SwiGLU.
    package func pack(
        gateAboveUp gate: UnpackedWeights, _ up: UnpackedWeights, of experts: Range<Int>, on stream: DeviceStream
    ) throws {
        try pack(gate, up, .gateAboveUp, of: experts, on: stream)
    }

    /// Packs weights in place; the result keeps their memory. Only for whole tiles, which take as many bytes packed as
    /// unpacked.
    ///
    /// - Parameters:
    ///   - values: FP8 E4M3 `[experts, rows, columns]`, gate above up where there are both. Overwritten with the packed
    ///     ones, in the order of `stream`.
    ///   - scales: Float32 `[experts, rows / 128, columns / 128]`, likewise.
    /// - Throws: `ShapeError` for rows that are no whole tiles.
    package init(
        _ device: any Device, packingInPlace values: DeviceBuffer, scales: DeviceBuffer, rows: Int, columns: Int,
        experts: Int, tileN: Int = TileShape.maxN, _ arrangement: WeightPacking.Arrangement, label: String,
        on stream: DeviceStream
    ) throws {
        let packing = try WeightPacking(rows: rows, columns: columns, tileN: tileN, arrangement)
        guard rows % tileN == 0 else {
            throw ShapeError(
                name: "rows of weights packed in place", value: rows, range: tileN...WeightPacking.mostChannels,
                step: tileN)
        }
        try UnpackedWeights(values: values, scales: scales, rows: rows, columns: columns)
            .validate(experts: experts, rows: rows, columns: columns)
        self.init(device, rows: rows, columns: columns, tileN: tileN, values: values, scales: scales)
        // One expert at a time goes through memory of its own.
        let scratch = try WeightBuffer(
            device, rows: rows, columns: columns, experts: 1, tileN: tileN, label: "packing of \(label)")
        let scaleBytes = packing.scales * 4
        for expert in 0..<experts {
            let matrices = (0..<arrangement.matrices).map { matrix in
                let (bytes, scaleBytes) = (packing.bytes / arrangement.matrices, scaleBytes / arrangement.matrices)
                let place = expert * arrangement.matrices + matrix
                return UnpackedWeights(
                    values: values.part("unpacked weights: \(label)", offset: place * bytes, bytes: bytes),
                    scales: scales.part(
                        "unpacked weight scales: \(label)", offset: place * scaleBytes, bytes: scaleBytes),
                    rows: packing.matrixRows, columns: columns)
            }
            try scratch.pack(matrices[0], matrices.dropFirst().first, arrangement, of: 0..<1, on: stream)
            try device.copy(
                from: scratch.values, offset: 0, to: values, offset: expert * packing.bytes, bytes: packing.bytes,
                on: stream)
            // The scales of a single matrix stay as they are.
            if arrangement != .matrix {
                try device.copy(
                    from: scratch.scales, offset: 0, to: scales, offset: expert * scaleBytes, bytes: scaleBytes,
                    on: stream)
            }
        }
    }

    private func pack(
        _ first: UnpackedWeights, _ up: UnpackedWeights?, _ arrangement: WeightPacking.Arrangement,
        of experts: Range<Int>, on stream: DeviceStream
    ) throws {
        let packing = try WeightPacking(
            rows: rows, columns: columns, tileN: tileN, arrangement, endsInGroups: first.endsInGroups)
        let most = min(values.bytes / packing.bytes, scales.bytes / (packing.scales * 4))
        guard experts.lowerBound >= 0, experts.upperBound <= most else {
            let outside = experts.lowerBound < 0 ? experts.lowerBound : experts.upperBound
            throw ShapeError(name: "end of the experts to pack", value: outside, range: 0...most, step: 1)
        }
        if experts.isEmpty { return }
        for source in [first, up].compactMap({ $0 }) {
            try source.validate(experts: experts.count, rows: packing.matrixRows, columns: columns)
        }
        if let up { try up.requireLayout(of: first) }
        let kernel = try device.loadFitting(packWeightsKernel(packing))
        let parameters = PackWeightsParameters(
            rowBytes: first.rowBytes, expertBytes: first.expertBytes, scalesOfRow: first.scalesOfRow,
            scalesOfExpert: first.scalesOfExpert, validRows: first.rows, validColumns: first.columns,
            experts: experts.count,
            packed: MemoryParameter(address: values.address + UInt64(experts.lowerBound * packing.bytes)),
            packedScales: MemoryParameter(address: scales.address + UInt64(experts.lowerBound * packing.scales * 4)))
        let matrix = UnpackedMatrixParameters(
            values: MemoryParameter(address: first.values.address),
            scales: MemoryParameter(address: first.scales.address))
        let second = up.map {
            UnpackedUpParameters(
                upValues: MemoryParameter(address: $0.values.address),
                upScales: MemoryParameter(address: $0.scales.address))
        }
        try device.launch(
            kernel,
            blocks: packing.blocks(
                experts: experts.count, limit: device.properties.multiprocessors * Self.packingBlocks),
            arguments: KernelArguments([parameters, matrix, second]).ordered(for: kernel.kernel),
            dependentLaunch: false, on: stream)
    }

    /// Thread blocks of a packing kernel on each multiprocessor.
    private static var packingBlocks: Int { 8 }
}

extension UnpackedWeights {
    /// Throws unless rows, columns and strides are those of `gate`, which this is up of.
    fileprivate func requireLayout(of gate: UnpackedWeights) throws(ShapeError) {
        let pairs = [
            ("rows of up", rows, gate.rows), ("columns of up", columns, gate.columns),
            ("bytes from row to row of up", rowBytes, gate.rowBytes),
            ("bytes from expert to expert of up", expertBytes, gate.expertBytes),
            ("scales from row to row of up", scalesOfRow, gate.scalesOfRow),
            ("scales from expert to expert of up", scalesOfExpert, gate.scalesOfExpert),
        ]
        for (name, value, expected) in pairs where value != expected {
            throw ShapeError(name: name, value: value, range: expected...expected, step: 1)
        }
    }
}

extension UnpackedWeights {
    /// Whether a matrix ends within a block of 128 x 128.
    fileprivate var endsInGroups: Bool {
        rows % ScaleGroup.channels != 0 || columns % ScaleGroup.channels != 0
    }

    /// `rows` rows from `row` on, which must be there. Blocks begin there: at a multiple of 128, or that far behind the
    /// end of a matrix whose last block is a part of one.
    package func part(row: Int, rows: Int) -> UnpackedWeights {
        part(bytes: row * rowBytes, scales: ScaleGroup.groups(row) * scalesOfRow, rows: rows, columns: columns)
    }

    /// `columns` columns from `column` on, which must be there; `column` is a multiple of 128.
    package func part(column: Int, columns: Int) -> UnpackedWeights {
        part(bytes: column, scales: column / QuantisedMatrix.block, rows: rows, columns: columns)
    }

    private func part(bytes: Int, scales count: Int, rows: Int, columns: Int) -> UnpackedWeights {
        var part = self
        part.values = values.part(values.label, offset: bytes, bytes: values.bytes - bytes)
        part.scales = scales.part(scales.label, offset: count * 4, bytes: scales.bytes - count * 4)
        (part.rows, part.columns) = (rows, columns)
        return part
    }
}
