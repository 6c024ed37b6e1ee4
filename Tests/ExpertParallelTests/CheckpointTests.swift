import ExpertParallel
import KernelLanguage
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What `Fixtures/make_safetensors.py` computed.
struct FixtureExpectation: Decodable {
    struct Matrix: Decodable {
        var rows: Int
        var columns: Int
        var checksum: Int
        var sum: Double
        var magnitude: Double
        var scales: [Float]
    }
    var layer: Int
    var matrices: [String: Matrix]
    var gateSum: Double
    var bias: [Float]
    var bytes: Int
    var hidden: [UInt16]
    var chosen: [[Int64]]
    var weights: [[Double]]
    var outputs: [[Double]]

    static func read() throws -> FixtureExpectation {
        try JSONDecoder().decode(
            FixtureExpectation.self,
            from: Data(contentsOf: URL(filePath: TemporaryDirectory.fixtures + "/tiny-expected.json")))
    }
}

@Suite("Checkpoints: reading")
struct CheckpointTests {
    private let tiny = TemporaryDirectory.fixtures + "/tiny"
    private let index = "model.safetensors.index.json"

    private func compare(_ matrix: QuantisedMatrix, _ name: String, with expected: FixtureExpectation) throws {
        let wanted = try #require(expected.matrices["model.layers.3.mlp." + name])
        #expect(matrix.rows == wanted.rows && matrix.columns == wanted.columns)
        #expect(matrix.scales == wanted.scales, "\(name)")
        let checksum = matrix.values.enumerated().reduce(0) { $0 + Int($1.element) * ($1.offset % 251 + 1) }
        #expect(checksum == wanted.checksum, "\(name)")
        var sum = 0.0
        var magnitude = 0.0
        for row in 0..<matrix.rows {
            for column in 0..<matrix.columns {
                let scale = matrix.scales[row / 128 * (matrix.columns / 128) + column / 128]
                let code = Float8E4M3(bits: matrix.values[row * matrix.columns + column]).float
                #expect(matrix[row, column] == code * scale)
                sum += Double(code) * Double(scale)
                magnitude += abs(Double(code) * Double(scale))
            }
        }
        #expect(abs(sum - wanted.sum) < 1e-9, "\(name)")
        #expect(abs(magnitude - wanted.magnitude) < 1e-9, "\(name)")
    }

    @Test("The reader agrees with Python on a checkpoint that Python wrote")
    func python() throws {
        let expected = try FixtureExpectation.read()
        let layer = try MoELayerCheckpoint(directory: tiny, layer: expected.layer)
        #expect(layer.configuration.hidden == 128 && layer.configuration.intermediate == 256)
        let router = try layer.router()
        #expect(router.correctionBias == expected.bias)
        #expect(abs(router.weight.reduce(0.0) { $0 + Double($1) } - expected.gateSum) < 1e-9)
        for expert in 0..<4 {
            let weights = try layer.expert(expert)
            try compare(weights.gate, "experts.\(expert).gate_proj.weight", with: expected)
            try compare(weights.up, "experts.\(expert).up_proj.weight", with: expected)
            try compare(weights.down, "experts.\(expert).down_proj.weight", with: expected)
        }
        let shared = try #require(try layer.sharedExpert())
        try compare(shared.gate, "shared_experts.gate_proj.weight", with: expected)
        try compare(shared.up, "shared_experts.up_proj.weight", with: expected)
        try compare(shared.down, "shared_experts.down_proj.weight", with: expected)
        #expect(throws: CheckpointError.expertOutOfRange(expert: 4, experts: 4)) { try layer.expert(4) }
        #expect(throws: CheckpointError.expertOutOfRange(expert: -1, experts: 4)) { try layer.expert(-1) }
    }

    @Test("The summary counts tensors and bytes")
    func summary() throws {
        let expected = try FixtureExpectation.read()
        let summary = try CheckpointSummary.inspect(directory: tiny)
        #expect(summary.bytes == expected.bytes)
        #expect(summary.tensors == 29)
        #expect(summary.shards.map(\.name) == [1, 2].map { "model-0000\($0)-of-00002.safetensors" })
        #expect(summary.types.map(\.type) == ["BF16", "F32", "F8_E4M3"])
        #expect(summary.types.map(\.tensors) == [4, 13, 12])
        #expect(summary.expertLayers == [3])
        #expect(summary.description.contains("F8_E4M3: 12 tensors, 393216 bytes"))
        #expect(summary.description.contains("layers with experts  3"))
    }

    @Test("Layers without experts are refused")
    func layers() throws {
        for layer in [-1, 0, 2, 4, .max] {
            #expect(throws: CheckpointError.layerWithoutExperts(layer: layer, with: [3...3])) {
                try MoELayerCheckpoint(directory: tiny, layer: layer)
            }
        }
    }

    /// Changes a text in a file of the fixture and returns what opening the layer, or reading all of it, throws.
    private func error(
        replacing text: String, with other: String, in name: String
    ) throws -> (error: CheckpointError?, path: String) {
        let directory = try TemporaryDirectory.copyOfFixture()
        try #require(try directory.replace(text, with: other, in: name), "\(text) is not in \(name)")
        return (error(opening: directory.path), directory.path)
    }

    private func error(opening path: String) -> CheckpointError? {
        do throws(CheckpointError) {
            let layer = try MoELayerCheckpoint(directory: path, layer: 3)
            _ = try layer.router()
            _ = try layer.sharedExpert()
            for expert in 0..<layer.configuration.experts { _ = try layer.expert(expert) }
            return nil
        } catch {
            return error
        }
    }

    @Test("Wrong types and shapes are named")
    func typesAndShapes() throws {
        let bias = "model.layers.3.mlp.gate.e_score_correction_bias"
        let file = "model-00002-of-00002.safetensors"
        let type = try error(replacing: bias + #"":{"dtype":"F32""#, with: bias + #"":{"dtype":"I32""#, in: file)
        #expect(
            type.error
                == .typeMismatch(
                    file: type.path + "/" + file, tensor: bias, expected: ["F32", "BF16"], found: "I32"))
        let shape = try error(replacing: #""hidden_size": 128"#, with: #""hidden_size": 256"#, in: "config.json")
        guard case .shapeMismatch(_, "model.layers.3.mlp.gate.weight", [4, 256], [4, 128]) = shape.error else {
            Issue.record("\(String(describing: shape.error))")
            return
        }
        let text = try #require(shape.error?.description)
        #expect(text.contains("model.layers.3.mlp.gate.weight") && text.contains("[4, 256]"))
        let narrow = try error(
            replacing: #""moe_intermediate_size": 256"#, with: #""moe_intermediate_size": 100"#, in: "config.json")
        guard case .shapeMismatch = narrow.error else {
            Issue.record("\(String(describing: narrow.error))")
            return
        }
    }

    @Test("Tensors that are missing or stand in another file are named")
    func missing() throws {
        let name = "model.layers.3.mlp.experts.2.up_proj.weight"
        let renamed = try error(replacing: name + "\"", with: name + "_\"", in: index)
        guard case .tensorMissing(_, let tensor) = renamed.error, [name, name + "_"].contains(tensor) else {
            Issue.record("\(String(describing: renamed.error))")
            return
        }
        let scale = name + "_scale_inv"
        let lost = try error(replacing: "\"" + scale, with: "\"x." + scale, in: index)
        guard case .tensorMissing(_, let tensor) = lost.error, [scale, "x." + scale].contains(tensor) else {
            Issue.record("\(String(describing: lost.error))")
            return
        }
        let bias = "model.layers.3.mlp.gate.e_score_correction_bias"
        let moved = try error(
            replacing: "\"\(bias)\": \"model-00002", with: "\"\(bias)\": \"model-00001", in: index)
        guard case .tensorDuplicated(_, bias, _) = moved.error else {
            Issue.record("\(String(describing: moved.error))")
            return
        }
        let twice = try error(
            replacing: "\"weight_map\": {", with: "\"weight_map\": {\"\(bias)\": \"model-00002-of-00002.safetensors\",",
            in: index)
        let indexPath = twice.path + "/" + index
        #expect(twice.error == .tensorDuplicated(file: indexPath, tensor: bias, other: indexPath))
        for name in ["../model.safetensors", "/etc/passwd", "..", ""] {
            let escape = try error(replacing: "model-00001-of-00002.safetensors", with: name, in: index)
            #expect(escape.error == .shardNameInvalid(file: escape.path + "/" + index, name: name))
        }
        let absent = try error(replacing: "model-00001-of-00002.safetensors", with: "absent", in: index)
        guard case .fileUnreadable = absent.error else {
            Issue.record("\(String(describing: absent.error))")
            return
        }
    }

    @Test("A directory without files, and a damaged index, are refused")
    func directories() throws {
        let directory = try TemporaryDirectory.copyOfFixture()
        for name in [index, "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] {
            try FileManager.default.removeItem(atPath: directory.path + "/" + name)
        }
        #expect(error(opening: directory.path) == .noTensorFiles(directory: directory.path))
        try directory.write("{\"weight_map\": [1]}".utf8, to: index)
        guard case .indexMalformed = error(opening: directory.path) else {
            Issue.record("\(String(describing: error(opening: directory.path)))")
            return
        }
        guard case .fileUnreadable = error(opening: directory.path + "/absent") else {
            Issue.record("an absent directory was opened")
            return
        }
    }

    @Test("Shards that were truncated are refused")
    func truncated() throws {
        let directory = try TemporaryDirectory.copyOfFixture()
        let name = "model-00002-of-00002.safetensors"
        let bytes = try directory.read(name)
        try directory.write(bytes.dropLast(), to: name)
        guard case .tensorOutsideFile(directory.path + "/" + name, _, _, _) = error(opening: directory.path) else {
            Issue.record("\(String(describing: error(opening: directory.path)))")
            return
        }
    }

    @Test("Weights and scales that are not finite are named")
    func notFinite() throws {
        for (tensor, bytes, element) in [
            ("experts.0.gate_proj.weight", [UInt8(0x7F)], 1), ("experts.1.down_proj.weight", [0xFF], 1),
            ("experts.1.up_proj.weight_scale_inv", [0, 0, 0x80, 0x7F], 4),
            ("experts.3.gate_proj.weight", [0xC0, 0x7F], 2), ("gate.weight", [0x80, 0xFF], 2),
        ] {
            let directory = try TemporaryDirectory.copyOfFixture()
            let name = "model.layers.3.mlp." + tensor
            let layer = try CheckpointDirectory(path: directory.path)
            let shard = try #require(layer.shardOfTensor?[name])
            let place = try #require(try SafetensorsFile(path: layer.path(of: shard)).tensors[name])
            var file = try directory.read(shard)
            let position = place.range.lowerBound + element
            file.replaceSubrange(position..<position + bytes.count, with: bytes)
            try directory.write(file, to: shard)
            #expect(
                error(opening: directory.path)
                    == .valueNotFinite(file: directory.path + "/" + shard, tensor: name, index: 1))
        }
    }

    @Test(
        "Configurations out of range are named",
        arguments: [
            ("hidden_size", "128", "0"), ("hidden_size", "128", "-128"), ("n_routed_experts", "4", "0"),
            ("num_experts_per_tok", "2", "5"), ("n_group", "1", "3"), ("topk_group", "1", "2"),
            ("first_k_dense_replace", "3", "9"), ("num_hidden_layers", "4", "0"), ("n_shared_experts", "1", "-1"),
            ("routed_scaling_factor", "2.5", "-1"), ("routed_scaling_factor", "2.5", "1e-60"),
            ("scoring_func", "\"sigmoid\"", "\"tanh\""),
            ("topk_method", "\"noaux_tc\"", "\"other\""), ("moe_intermediate_size", "256", "99999999999"),
        ])
    func configurations(_ change: (key: String, old: String, new: String)) throws {
        let result = try error(
            replacing: "\"\(change.key)\": \(change.old)", with: "\"\(change.key)\": \(change.new)", in: "config.json")
        guard case .configurationInvalid(_, let key, let value, _) = result.error else {
            Issue.record("\(String(describing: result.error))")
            return
        }
        #expect(key == change.key)
        #expect(change.new.contains(value) || value == "-1.0")
    }

    @Test("Configurations without a key, of the wrong type or with other blocks are refused")
    func malformedConfigurations() throws {
        for (old, new) in [
            ("\"hidden_size\"", "\"size\""), ("\"hidden_size\": 128", "\"hidden_size\": null"), ("{", "["),
        ] {
            let result = try error(replacing: old, with: new, in: "config.json")
            guard case .configurationMalformed = result.error else {
                Issue.record("\(String(describing: result.error))")
                continue
            }
        }
        let block = try error(replacing: "128,\n      128", with: "128,\n      64", in: "config.json")
        guard
            case .configurationInvalid(_, "quantization_config.weight_block_size", "[128, 64]", "[128, 128]") = block
                .error
        else {
            Issue.record("\(String(describing: block.error))")
            return
        }
    }

    @Test("A Qwen configuration is read with its own keys and softmax")
    func qwen() throws {
        let directory = try TemporaryDirectory()
        try directory.write(
            """
            {"model_type": "qwen3_moe", "hidden_size": 2048, "moe_intermediate_size": 768, "num_experts": 128,
             "num_experts_per_tok": 8, "norm_topk_prob": true, "num_hidden_layers": 48, "n_shared_experts": null}
            """.utf8, to: "config.json")
        let model = try ModelConfiguration(file: directory.path + "/config.json")
        #expect(model.experts == 128 && model.sharedExperts == 0 && !model.hasCorrectionBias)
        #expect(model.expertLayers == Array(0..<48))
        let router = try model.router()
        #expect(router.scoring == .softmax && router.topK == 8 && router.groups == 1 && router.scale == 1)
        let deepSeek = try ModelConfiguration().router()
        #expect(deepSeek.scoring == .sigmoid && deepSeek.groups == 8 && deepSeek.scale == 2.5)
    }
}
