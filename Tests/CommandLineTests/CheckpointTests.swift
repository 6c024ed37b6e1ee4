import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// `swiftep checkpoint`, and runs on what it made.
@Suite struct CheckpointTests {
    private static let sizes = ["--hidden", "128", "--intermediate", "128", "--experts", "4", "--topk", "2"]

    private struct Report: Decodable {
        struct File: Decodable {
            let name: String
            let tensors: Int
            let bytes: Int
        }
        let hidden: Int
        let experts: Int
        let tensors: Int
        let types: [File]
        let files: [File]
        let expertLayers: [Int]
    }

    @Test(arguments: [false, true])
    func makesAndInspects(bfloat16: Bool) throws {
        try TemporaryFolder.with { folder in
            let directory = folder + "/checkpoint"
            let options = ["--layer", "5", "--shards", "2"] + (bfloat16 ? ["--bf16"] : [])
            let made = try Program.run(["checkpoint", "make", directory] + Self.sizes + options)
            #expect(made.code == 0, "\(made.errors)")
            #expect(made.output.contains("layers with experts  5"))

            let inspected = try Program.run(["checkpoint", "inspect", directory, "--json"])
            #expect(inspected.code == 0, "\(inspected.errors)")
            let report = try JSONDecoder().decode(Report.self, from: Data(inspected.output.utf8))
            #expect([report.hidden, report.experts] == [128, 4])
            #expect(report.expertLayers == [5])
            #expect(report.files.count == 2)
            #expect(report.types.contains { $0.name == "F8_E4M3" } == !bfloat16)
            #expect(report.files.map(\.tensors).reduce(0, +) == report.tensors)

            let again = try Program.run(["checkpoint", "make", directory] + Self.sizes)
            #expect(again.code == 1)
            #expect(again.errors.contains(directory))

            // The first layer with experts is found by itself.
            let run = try Program.run([
                "run", "--device", "simulator", "--checkpoint", directory, "--ranks", "2", "--tokens", "2", "--overlap",
                "none",
                "--json",
            ])
            #expect(run.code == 0, "\(run.errors)")
            #expect(try RunTests.Report(run).verified)
        }
    }

    @Test func namesFileAndTensorOfATruncatedFile() throws {
        try TemporaryFolder.with { folder in
            let directory = folder + "/checkpoint"
            #expect(try Program.run(["checkpoint", "make", directory] + Self.sizes).code == 0)
            let name = "model-00002-of-00004.safetensors"
            let file = URL(filePath: "\(directory)/\(name)")
            let bytes = try Data(contentsOf: file)
            try bytes.prefix(bytes.count - 1000).write(to: file)
            for words in [
                ["checkpoint", "inspect", directory],
                ["run", "--device", "simulator", "--checkpoint", directory, "--layer", "3", "--ranks", "2"],
            ] {
                let result = try Program.run(words)
                #expect(result.code == 1)
                #expect(result.output == "")
                #expect(result.errors.contains(name), "\(result.errors)")
                #expect(result.errors.contains("model.layers.3.mlp."), "\(result.errors)")
            }
        }
    }

    @Test func knowsFamilies() throws {
        try TemporaryFolder.with { folder in
            for family in ["glm-4.5", "mixtral", "qwen2-moe", "qwen3-next", "qwen3.5-moe"] {
                let directory = "\(folder)/\(family)"
                let made = try Program.run(
                    ["checkpoint", "make", directory, "--family", family, "--bf16", "--shards", "1"] + Self.sizes)
                #expect(made.code == 0, "\(made.errors)")
                let inspected = try Program.run(["checkpoint", "inspect", directory])
                #expect(inspected.code == 0 && inspected.output.contains("formats  BF16"), "\(inspected.output)")
                #expect(inspected.output.contains("takes these layers"), "\(inspected.output)")
                let run = try Program.run([
                    "run", "--device", "simulator", "--checkpoint", directory, "--ranks", "2", "--tokens", "2",
                    "--overlap", "none",
                ])
                #expect(run.code == 0, "\(run.errors)")
                #expect(run.output.contains("converted from BF16 to FP8, relative error 2."))
                let isGated = family.hasPrefix("qwen")
                #expect(run.output.contains("with a gate") == isGated, "\(run.output)")
                #expect(inspected.output.contains("with a gate") == isGated, "\(inspected.output)")
            }
            let unknown = try Program.run(["checkpoint", "make", folder + "/other", "--family", "llama"])
            #expect(unknown.code == 64 && unknown.errors.contains("kimi-k2"), "\(unknown.errors)")
        }
    }

    /// Here activations of four bits, which the configuration asks for.
    @Test func refusesLayersThatNeedWhatKernelsDoNotDo() throws {
        try TemporaryFolder.with { folder in
            let directory = folder + "/mixtral"
            let made = try Program.run(
                ["checkpoint", "make", directory, "--family", "mixtral", "--bf16", "--shards", "1"] + Self.sizes)
            #expect(made.code == 0, "\(made.errors)")
            let file = URL(filePath: directory + "/config.json")
            let text = String(decoding: try Data(contentsOf: file), as: UTF8.self)
            let declared = #"{"quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4"}, "#
            try Data((declared + text.dropFirst()).utf8).write(to: file)
            let inspected = try Program.run(["checkpoint", "inspect", directory])
            #expect(inspected.code == 0)
            let reason = "refuses: all layers need activations of four bits"
            #expect(inspected.output.contains(reason), "\(inspected.output)")
            let run = try Program.run(["run", "--device", "simulator", "--checkpoint", directory, "--ranks", "2"])
            #expect(run.code == 1 && run.output == "", "\(run.output)")
            #expect(run.errors.contains("activations of four bits"), "\(run.errors)")
        }
    }

    /// Every layer that config.json gives experts must be there, and its router too; layers that predict further tokens
    /// may.
    @Test func inspectsEveryLayer() throws {
        try TemporaryFolder.with { folder in
            let directory = folder + "/checkpoint"
            #expect(try Program.run(["checkpoint", "make", directory, "--shards", "1"] + Self.sizes).code == 0)
            func inspect(replacing old: String, with new: String, in name: String) throws -> ProgramResult {
                let file = URL(filePath: "\(directory)/\(name)")
                let text = String(decoding: try Data(contentsOf: file), as: UTF8.self)
                try #require(text.contains(old))
                try Data(text.replacing(old, with: new).utf8).write(to: file)
                defer { try? Data(text.utf8).write(to: file) }
                return try Program.run(["checkpoint", "inspect", directory])
            }
            let predicting = try inspect(
                replacing: "\"num_hidden_layers\": 4", with: "\"num_hidden_layers\": 3", in: "config.json")
            #expect(predicting.code == 1 && predicting.errors.contains("Layer 3 has no experts"))
            let behind = try inspect(
                replacing: "\"num_hidden_layers\": 4,\n  \"num_nextn_predict_layers\": 0",
                with: "\"num_hidden_layers\": 3, \"num_nextn_predict_layers\": 1", in: "config.json")
            #expect(behind.code == 0, "\(behind.errors)")
            let absent = try inspect(
                replacing: "\"first_k_dense_replace\": 3", with: "\"first_k_dense_replace\": 2", in: "config.json")
            #expect(absent.code == 1 && absent.errors.contains("model.layers.2.mlp."), "\(absent.errors)")
            let index = "model.safetensors.index.json"
            let router = try inspect(replacing: "layers.3.mlp.gate.", with: "layers.3.mlp.gat.", in: index)
            #expect(router.code == 1, "\(router.output)")
        }
    }

    @Test(.timeLimit(.minutes(5))) func refusesANamedPipe() throws {
        try TemporaryFolder.with { folder in
            #expect(mkfifo(folder + "/config.json", 0o600) == 0)
            let result = try Program.run(["checkpoint", "inspect", folder])
            #expect(result.code == 1)
            #expect(result.errors.contains("named pipe"), "\(result.errors)")
        }
    }

    @Test func namesWhatIsMissing() throws {
        let result = try Program.run(["run", "--device", "simulator", "--checkpoint", "/nonexistent", "--layer", "3"])
        #expect(result.code == 1)
        #expect(result.errors.contains("/nonexistent"))
    }
}
