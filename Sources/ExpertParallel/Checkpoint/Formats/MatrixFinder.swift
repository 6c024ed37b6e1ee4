/// Finds out in which format a matrix is stored, by the tensors that are there and their types.
struct MatrixFinder {
    let lookup: TensorLookup
    let name: String
    let rows: Int
    let columns: Int
    let place: MatrixSource.Place

    typealias Found = (
        format: WeightFormat, values: TensorSource, scales: TensorSource?,
        global: (source: TensorSource, divides: Bool)?
    )

    private static let block = QuantisedMatrix.block

    /// The format and the tensors. Throws `tensorMissing`, `typeMismatch` and `shapeMismatch`.
    func find() throws(CheckpointError) -> Found {
        let packed = name + ".weight_packed"
        if !place.isParameter, lookup.has(packed) { return try findPacked(try lookup.tensor(packed)) }
        let values = try lookup.tensor(place.isParameter ? name : name + ".weight")
        switch values.tensor.type {
        case .bfloat16:
            return (.bfloat16, try part(values, types: [.bfloat16], rows: rows, columns: columns), nil, nil)
        case _ where lookup.scale != nil:
            return try findNamed(values)
        case .uint8:
            return try findNVFP4(values)
        default:
            return try findFloat8(values)
        }
    }

    /// Beside a parameter `x` the scales are called `x_scale_inv`; beside `x.weight`, `x.weight_scale_inv`.
    private func scaleName(_ text: String) -> String {
        place.isParameter ? "\(name)_\(text)" : "\(name).weight_\(text)"
    }

    private func findFloat8(_ tensor: TensorSource) throws(CheckpointError) -> Found {
        let values = try part(tensor, types: [.float8e4m3, .bfloat16], rows: rows, columns: columns)
        let scaleTypes: [ElementType] = [.float32, .bfloat16, .float8e8m0]
        let stack = place.expert.map { [$0.count] } ?? []
        let blocks = [rows, columns].map { ($0 + Self.block - 1) / Self.block }
        let plain = scaleName("scale")
        if !lookup.has(plain) || lookup.has(scaleName("scale_inv")) {
            let scales = try part(
                try lookup.tensor(scaleName("scale_inv")), types: scaleTypes, rows: blocks[0], columns: blocks[1])
            return (.float8Blocks(scales: scales.tensor.type.rawValue), values, scales, nil)
        }
        // Without "inv" the shape says what a scale is for.
        let scales = try lookup.tensor(plain)
        if place.expert == nil, scales.tensor.shape.allSatisfy({ $0 == 1 }) {
            try scales.expect(types: scaleTypes, shape: scales.tensor.shape)
            return (.float8PerTensor, values, scales, nil)
        }
        if scales.tensor.shape == stack + [blocks[0] * place.part.count, blocks[1]] {
            let found = try part(scales, types: scaleTypes, rows: blocks[0], columns: blocks[1])
            return (.float8Blocks(scales: found.tensor.type.rawValue), values, found, nil)
        }
        return (.float8PerRow, values, try part(scales, types: scaleTypes, rows: rows, columns: 1), nil)
    }

    /// The layout of DeepSeek-V4: FP8 in blocks, or pairs of FP4 numbers with a scale for each 32.
    private func findNamed(_ tensor: TensorSource) throws(CheckpointError) -> Found {
        let scales = try lookup.tensor("\(name).\(lookup.scale ?? "")")
        if tensor.tensor.type == .int8 {
            let values = try part(tensor, types: [.int8], rows: rows, columns: columns / 2)
            return (.mxfp4, values, try part(scales, types: [.float8e8m0], rows: rows, columns: columns / 32), nil)
        }
        let values = try part(tensor, types: [.float8e4m3, .int8, .bfloat16], rows: rows, columns: columns)
        let blocks = [rows, columns].map { ($0 + Self.block - 1) / Self.block }
        let found = try part(scales, types: [.float8e8m0, .float32], rows: blocks[0], columns: blocks[1])
        return (.float8Blocks(scales: found.tensor.type.rawValue), values, found, nil)
    }

    /// The layout of `compressed-tensors`: packed values, scales, and the shape in a tensor of its own.
    private func findPacked(_ packed: TensorSource) throws(CheckpointError) -> Found {
        if lookup.has(name + ".weight_shape") {
            let shape = try lookup.tensor(name + ".weight_shape")
            try shape.expect(types: [.int32, .int64], shape: [2])
        }
        let scales = try lookup.tensor(name + ".weight_scale")
        if packed.tensor.type == .uint8 {
            let values = try part(packed, types: [.uint8], rows: rows, columns: columns / 2)
            if scales.tensor.type == .float8e4m3 {
                let found = try part(scales, types: [.float8e4m3], rows: rows, columns: columns / 16)
                return (.nvfp4, values, found, (try scalar("weight_global_scale"), true))
            }
            let found = try part(scales, types: [.uint8, .float8e8m0], rows: rows, columns: columns / 32)
            return (.mxfp4, values, found, nil)
        }
        let values = try part(packed, types: [.int32, .uint8], rows: rows, columns: columns / 8)
        let found = try part(scales, types: [.bfloat16, .float32], rows: rows, columns: columns / 32)
        return (.int4(group: 32), values, found, nil)
    }

    /// NVFP4 as TensorRT Model Optimizer writes it.
    private func findNVFP4(_ tensor: TensorSource) throws(CheckpointError) -> Found {
        let values = try part(tensor, types: [.uint8], rows: rows, columns: columns / 2)
        let scales = try part(
            try lookup.tensor(name + ".weight_scale"), types: [.float8e4m3], rows: rows, columns: columns / 16)
        // The scale of activations, which are four bits wide too; a requirement says so.
        if lookup.has(name + ".input_scale") { _ = try scalar("input_scale") }
        return (.nvfp4, values, scales, (try scalar("weight_scale_2"), false))
    }

    private func scalar(_ suffix: String) throws(CheckpointError) -> TensorSource {
        let source = try lookup.tensor("\(name).\(suffix)")
        let shape = source.tensor.shape
        try source.expect(types: [.float32], shape: shape.allSatisfy { $0 == 1 } ? shape : [])
        return source
    }

    /// The place of the matrix in a tensor of `rows` x `columns` for each matrix. Throws `typeMismatch` and
    /// `shapeMismatch`.
    private func part(
        _ source: TensorSource, types: [ElementType], rows: Int, columns: Int
    ) throws(CheckpointError) -> TensorSource {
        let height = rows * place.part.count
        let shape = (place.expert.map { [$0.count] } ?? []) + [height, columns]
        try source.expect(types: types, shape: shape)
        guard place.expert != nil || place.part.count > 1 else { return source }
        var part = source
        let first = ((place.expert?.index ?? 0) * height + place.part.index * rows) * columns
        part.part = first..<first + rows * columns
        return part
    }
}
