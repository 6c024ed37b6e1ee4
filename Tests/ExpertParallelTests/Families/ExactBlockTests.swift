import ExpertParallel
import KernelLanguage
import Testing

/// Formats that FP8 with scales of blocks and of rows holds exactly, or does not.
@Suite("Formats: exact conversion")
struct ExactConversionTests {
    private static let name = "model.layers.0.block_sparse_moe.experts.0.w1"

    /// A Mixtral of one expert in which the first matrix has other tensors.
    private func load(
        _ tensors: [(SafetensorsWriter.Tensor, [UInt8])], method: String
    ) throws -> Result<QuantisedMatrix, CheckpointError> {
        let directory = try TemporaryDirectory()
        try directory.write(
            """
            {"model_type": "mixtral", "hidden_size": 128, "intermediate_size": 128, "num_local_experts": 1,
             "num_experts_per_tok": 1, "num_hidden_layers": 1, "quantization_config": \(method)}
            """.utf8, to: "config.json")
        let prefix = "model.layers.0.block_sparse_moe."
        var all = tensors
        let zeros = [UInt8](repeating: 0, count: 128 * 128 * 2)
        for other in ["experts.0.w2.weight", "experts.0.w3.weight"] {
            all.append((.init(name: prefix + other, type: .bfloat16, shape: [128, 128]), zeros))
        }
        all.append((.init(name: prefix + "gate.weight", type: .bfloat16, shape: [1, 128]), Array(zeros[..<256])))
        let writer = try SafetensorsWriter(path: directory.path + "/model.safetensors", tensors: all.map(\.0))
        for (tensor, bytes) in all {
            try bytes.withUnsafeBytes { bytes in try writer.write(bytes, tensor: tensor.name) }
        }
        return Result { () throws(CheckpointError) in
            try MoELayerCheckpoint(directory: directory.path, layer: 0).expert(0).gate
        }
    }

    private func bytes<Value: FixedWidthInteger>(_ values: [Value]) -> [UInt8] {
        values.flatMap { value in withUnsafeBytes(of: value.littleEndian) { Array($0) } }
    }

    private static func packed(_ type: String, bits: Int, activations: String = "null") -> String {
        """
        {"quant_method": "compressed-tensors", "format": "mixed-precision", "config_groups": {"group_0": {
         "targets": ["Linear"], "input_activations": \(activations),
         "weights": {"num_bits": \(bits), "type": "\(type)", "symmetric": true, "strategy": "group"}}}}
        """
    }

    /// FP8 with a scale for each row.
    private func perRow(_ scales: [Float], activations: String = "null") throws -> Result<
        QuantisedMatrix, CheckpointError
    > {
        let codes = (0..<128 * 128).map { UInt8($0 % 0x7E) }
        return try load(
            [
                (.init(name: Self.name + ".weight", type: .float8e4m3, shape: [128, 128]), codes),
                (
                    .init(name: Self.name + ".weight_scale", type: .float32, shape: [128, 1]),
                    bytes(scales.map(\.bitPattern))
                ),
            ], method: Self.packed("float", bits: 8, activations: activations))
    }

    private static let perToken =
        #"{"num_bits": 8, "type": "float", "strategy": "token", "dynamic": true, "symmetric": true}"#

    @Test("Scales of rows are kept as they are, whatever they are", arguments: ["null", perToken])
    func rows(_ activations: String) throws {
        let scales = (0..<128).map { 0.3 + Float($0) * 0.01 }
        let matrix = try perRow(scales, activations: activations).get()
        #expect(matrix.scales == [1] && matrix.channelScales == scales && matrix.loss == nil)
        let values: [UInt8] = (0..<128 * 128).map { (index: Int) -> UInt8 in UInt8(index % 0x7E) }
        #expect(matrix.values == values)
        #expect(matrix[77, 5] == Float8E4M3(bits: UInt8((77 * 128 + 5) % 0x7E)).float * scales[77])
    }

    @Test("Scales of rows that are not finite are refused by their tensor")
    func infiniteRows() throws {
        var scales = [Float](repeating: 0.3, count: 128)
        scales[5] = .infinity
        guard case .failure(.valueNotFinite(_, let tensor, _)) = try perRow(scales) else {
            Issue.record("a scale that is not finite was taken")
            return
        }
        #expect(tensor == Self.name + ".weight_scale")
    }

    /// INT4 with all numbers, and these scales in BF16.
    private func fourBits(_ scales: [Float]) throws -> Result<QuantisedMatrix, CheckpointError> {
        let words = (0..<128 * 16).map { UInt32(truncatingIfNeeded: $0 &* 0x9E37_79B9) }
        return try load(
            [
                (.init(name: Self.name + ".weight_packed", type: .int32, shape: [128, 16]), bytes(words)),
                (
                    .init(name: Self.name + ".weight_scale", type: .bfloat16, shape: [128, 4]),
                    bytes(scales.map { BFloat16($0).bits })
                ),
                (.init(name: Self.name + ".weight_shape", type: .int64, shape: [2]), bytes([Int64(128), 128])),
            ], method: Self.packed("int", bits: 4))
    }

    @Test("INT4 is kept where its scales are powers of two of one number, and refused elsewhere")
    func integers() throws {
        let powers = (0..<128 * 4).map { Float([0.75, 1.5, 3, 0.375][$0 % 4]) }
        let matrix = try fourBits(powers).get()
        let word = UInt32(truncatingIfNeeded: (3 * 16 + 5) &* 0x9E37_79B9)
        for position in 0..<8 {
            let number = Float(Int(word >> UInt32(4 * position) & 15) - 8)
            #expect(matrix[3, 40 + position] == number * powers[3 * 4 + 1])
        }
        let others: [Float] = (0..<128 * 4).map { (index: Int) -> Float in 0.01 * Float(1 + index % 7) }
        guard case .failure(.conversionInexact(_, _, let format, 0, 0)) = try fourBits(others) else {
            Issue.record("INT4 of unlike scales was kept")
            return
        }
        #expect(format.contains("INT4"))
    }
}
