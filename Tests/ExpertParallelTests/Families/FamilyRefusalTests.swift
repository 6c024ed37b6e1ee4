import ExpertKernels
import ExpertParallel
import KernelLanguage
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What no family defines is refused by name.
@Suite("Families: refusals")
struct FamilyRefusalTests {
    /// Changes a text in the fixture's `config.json` and returns what opening the layer, or reading its experts,
    /// throws.
    private func error(replacing text: String, with other: String) throws -> CheckpointError? {
        let directory = try TemporaryDirectory.copyOfFixture()
        try #require(try directory.replace(text, with: other, in: "config.json"), "\(text) is not in config.json")
        do throws(CheckpointError) {
            let layer = try MoELayerCheckpoint(directory: directory.path, layer: 3)
            for expert in 0..<layer.configuration.experts { _ = try layer.expert(expert) }
            return nil
        } catch {
            return error
        }
    }

    private func error(adding text: String) throws -> CheckpointError? {
        try error(replacing: "\"hidden_size\"", with: text + ", \"hidden_size\"")
    }

    @Test("An unknown model_type is refused with those that are known", arguments: ["llama", "deepseek_v5", ""])
    func unknown(_ type: String) throws {
        let found = try error(replacing: "deepseek_v3", with: type)
        guard case .familyUnknown(_, type, let known) = found else {
            Issue.record("\(String(describing: found))")
            return
        }
        #expect(known.contains("glm4_moe") && !known.contains("gpt_oss"))
        #expect(found?.description.contains("qwen3_moe") == true)
    }

    @Test(
        "Families that cannot be run are refused with the reason",
        arguments: [
            ("deepseek_v41", "images"), ("gpt_oss", "biases"), ("longcat_flash", "compute nothing"),
            ("llama4", "input"), ("kimi_k3", "latent"), ("glm5_next_text", "`glm5_next`"),
            ("minimax_m3", "`minimax_m3_vl`"),
        ])
    func refused(_ family: (type: String, reason: String)) throws {
        let found = try error(replacing: "deepseek_v3", with: family.type)
        guard case .familyRefused(_, family.type, let reason) = found else {
            Issue.record("\(String(describing: found))")
            return
        }
        #expect(reason.contains(family.reason))
    }

    @Test(
        "Keys that change what experts compute and that nobody read are refused",
        arguments: [
            "\"swiglu_limit\": 10", "\"swiglu_alpha\": 1.702", "\"mlp_bias\": true", "\"zero_expert_num\": 2",
            "\"moe_latent_size\": 64", "\"expert_activation\": \"situ\"", "\"num_hash_layers\": 3",
            "\"moe_router_activation\": \"sigmoid\"", "\"num_shared_experts\": 2", "\"score_function\": \"softmax\"",
            "\"swiglu_limits\": [0, 0, 0, 7]", "\"compression_config\": {\"quant_method\": \"awq\"}",
        ])
    func unread(_ text: String) throws {
        let found = try error(adding: text)
        guard case .configurationUnread(_, let keys, "deepseek-v3") = found else {
            Issue.record("\(text): \(String(describing: found))")
            return
        }
        #expect(keys.count == 1 && text.contains(keys[0]))
    }

    @Test(
        "Keys that ask for nothing, or for nothing of experts, are not",
        arguments: [
            "\"swiglu_limit\": null", "\"mlp_bias\": false", "\"zero_expert_num\": 0", "\"swiglu_limits\": [0, null]",
            "\"attention_bias\": true", "\"index_topk\": 2048", "\"router_aux_loss_coef\": 0.001",
            "\"rope_theta\": 1e6",
            "\"rope_scaling\": {\"factor\": 40}", "\"aux_loss_alpha\": 0.001", "\"ep_size\": 8", "\"top_k\": 50",
        ])
    func harmless(_ text: String) throws {
        #expect(try error(adding: text) == nil)
    }

    @Test("An activation other than silu is refused")
    func activation() throws {
        let found = try error(adding: "\"hidden_act\": \"gelu\"")
        guard case .configurationInvalid(_, "hidden_act", "\"gelu\"", "silu") = found else {
            Issue.record("\(String(describing: found))")
            return
        }
    }

    @Test(
        "Methods of quantisation that are not known are refused",
        arguments: [
            ("\"fp8\"", "\"blockwise_int8\""), ("\"fp8\"", "\"awq\""), ("\"e4m3\"", "\"e5m2\""),
            ("\"dynamic\"", "\"static\""),
        ])
    func methods(_ change: (old: String, new: String)) throws {
        let found = try error(replacing: change.old, with: change.new)
        guard case .configurationInvalid(_, let key, _, _) = found, key.hasPrefix("quantization_config.") else {
            Issue.record("\(String(describing: found))")
            return
        }
    }

    @Test("Keys of a method that are not known are refused")
    func schemes() throws {
        let unread = try error(replacing: "\"fmt\"", with: "\"rotation\": \"hadamard\", \"fmt\"")
        guard case .configurationUnread(_, ["quantization_config.rotation"], "fp8") = unread else {
            Issue.record("\(String(describing: unread))")
            return
        }
    }

    @Test("Scales that are powers of two are a requirement, which leads to their format; others are refused")
    func scales() throws {
        let directory = try TemporaryDirectory.copyOfFixture()
        #expect(try MoELayerCheckpoint(directory: directory.path, layer: 3).configuration.scaleFormat == .float32)
        let scales = "\"scale_fmt\": \"ue8m0\", "
        try #require(try directory.replace("\"fmt\"", with: scales + "\"fmt\"", in: "config.json"))
        let checkpoint = try MoELayerCheckpoint(directory: directory.path, layer: 3)
        #expect(checkpoint.requirements == [.powerOfTwoActivationScales])
        #expect(checkpoint.configuration.scaleFormat == .powerOfTwo)
        let other = try error(replacing: "\"fmt\"", with: "\"scale_fmt\": \"e5m2\", \"fmt\"")
        guard case .configurationInvalid(_, "quantization_config.scale_fmt", _, _) = other else {
            Issue.record("\(String(describing: other))")
            return
        }
    }

    @Test("Quantised weights that the configuration does not declare are refused")
    func undeclared() throws {
        let found = try error(replacing: "\"quantization_config\"", with: "\"something_else\"")
        // An object of another name that speaks of quantisation is not read either.
        guard case .quantisationUndeclared(_, _, let format) = found else {
            Issue.record("\(String(describing: found))")
            return
        }
        #expect(format.contains("FP8"))
    }

    /// What a `config.json` of this text makes of a model.
    private func model(_ text: String) throws -> ModelConfiguration {
        let directory = try TemporaryDirectory()
        try directory.write(text.utf8, to: "config.json")
        return try ModelConfiguration(file: directory.path + "/config.json")
    }

    @Test("Layers have the limits of their lists, which may go on behind the last layer")
    func limits() throws {
        let text = """
            {"model_type": "step3p5", "hidden_size": 128, "moe_intermediate_size": 128, "moe_num_experts": 2,
             "moe_top_k": 1, "num_hidden_layers": 4, "moe_layers_enum": "2,3,4", "moe_router_scaling_factor": 3,
             "norm_expert_weight": true, "share_expert_dim": 128, "swiglu_limits": [0, 0, 0, 7.0, 0],
             "swiglu_limits_shared": [0, 0, 0, 16, null]}
            """
        let model = try model(text)
        #expect(model.expertLayers == [2, 3] && model.predictionLayers == 1)
        #expect(model.rangesWithExperts == [2...4] && model.hasExperts(inLayer: 4) && !model.hasExperts(inLayer: 1))
        #expect(model.activation(ofLayer: 2) == .plain && model.activation(ofLayer: 4) == .plain)
        #expect(model.activation(ofLayer: 3) == Activation(limit: 7, sharedLimit: 16, clamping: .output))
        #expect((2...4).allSatisfy { model.requirements(ofLayer: $0).isEmpty })
        for wrong in ["[0, 0, 0, -7]", "7", "[0, 0, 0, \"7\"]", "[0, 0, 0, 1e60]", "[0, 0, 0, 1e-60]"] {
            #expect(throws: CheckpointError.self, "\(wrong)") {
                try self.model(text.replacing("[0, 0, 0, 7.0, 0]", with: wrong))
            }
        }
    }

    private static let deepSeekV4 = """
        {"model_type": "deepseek_v4", "hidden_size": 128, "moe_intermediate_size": 128, "n_routed_experts": 4,
         "n_shared_experts": 1, "num_experts_per_tok": 2, "num_hidden_layers": 4, "routed_scaling_factor": 1.5,
         "scoring_func": "sqrtsoftplus", "num_hash_layers": 3, "swiglu_limit": 10.0, "expert_dtype": "fp4"}
        """

    @Test("Layers of DeepSeek-V4 that choose experts by token ids are refused by name, the others run")
    func tokenRouted() throws {
        let model = try model(Self.deepSeekV4)
        #expect(model.tokenRoutedLayers == [0, 1, 2])
        #expect(model.requirements(ofLayer: 2) == [.expertsByTokenID] && model.requirements(ofLayer: 3).isEmpty)
        #expect(!LayerRequirement.expertsByTokenID.isSupported)
        #expect((0..<4).allSatisfy { model.activation(ofLayer: $0) == Activation(limit: 10) })
        let list = #""mlp_layer_types": ["hash_moe", "moe", "hash_moe", "moe"]"#
        let listed = try self.model(Self.deepSeekV4.replacing("\"num_hash_layers\": 3", with: list))
        #expect(listed.tokenRoutedLayers == [0, 2])
        for (text, other) in [
            ("\"num_hash_layers\": 3", "\"num_hash_layers\": 5"), ("\"num_hash_layers\": 3, ", ""),
            ("\"num_hash_layers\": 3", "\"num_hash_layers\": 3, " + list),
            ("\"num_hash_layers\": 3", #""mlp_layer_types": ["hash_moe"]"#),
            ("\"swiglu_limit\": 10.0, ", ""), ("\"swiglu_limit\": 10.0", "\"swiglu_limit\": 0"),
            ("\"n_shared_experts\": 1", "\"n_shared_experts\": 2"), ("\"fp4\"", "\"int4\""),
        ] {
            #expect(throws: CheckpointError.self, "\(other)") {
                try self.model(Self.deepSeekV4.replacing(text, with: other))
            }
        }
    }

    @Test("A layer by token ids is described with its table, and not opened to be run")
    func table() throws {
        let directory = try TemporaryDirectory()
        var configuration = try #require(
            ModelConfiguration(family: "deepseek-v4", hidden: 128, intermediate: 128, experts: 2, topK: 1))
        configuration.routedScale = 1.5
        try CheckpointWriter(configuration: configuration, layer: 0, shards: 1).write(to: directory.path + "/made")
        let place = directory.path + "/made"
        _ = try MoELayerCheckpoint(directory: place, layer: 0)
        // The same file read as one whose first layer goes by token ids lacks the table.
        let path = place + "/config.json"
        let text = String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
        let changed = text.replacing("\"num_hash_layers\": 0", with: "\"num_hash_layers\": 1")
        try #require(changed != text, "\(text)")
        try Data(changed.utf8).write(to: URL(filePath: path))
        #expect {
            try MoELayerCheckpoint(describing: place, layer: 0)
        } throws: { error in
            guard case CheckpointError.tensorMissing(_, "layers.0.ffn.gate.tid2eid") = error else { return false }
            return true
        }
    }

    @Test("A shared expert that the configuration does not have is left over, and refused")
    func leftOver() throws {
        let found = try error(replacing: "\"n_shared_experts\": 1", with: "\"n_shared_experts\": 0")
        guard case .tensorsUnread(_, 3, let first, 6) = found else {
            Issue.record("\(String(describing: found))")
            return
        }
        #expect(first.contains("shared_experts"))
    }

    @Test(
        "Keys without a default of the family's are missed",
        arguments: ["first_k_dense_replace", "routed_scaling_factor"])
    func missing(_ key: String) throws {
        let found = try error(replacing: "\"\(key)\"", with: "\"another_key\"")
        guard case .configurationMalformed(_, let reason) = found else {
            Issue.record("\(String(describing: found))")
            return
        }
        #expect(reason.contains(key))
    }
}
