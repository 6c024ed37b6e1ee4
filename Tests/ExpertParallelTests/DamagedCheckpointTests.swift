import ExpertParallel
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

/// Files that are not what their names say, and texts that other readers let pass.
@Suite("Checkpoints: damaged files")
struct DamagedCheckpointTests {
    private static let index = "model.safetensors.index.json"
    private static let shard = "model-00002-of-00002.safetensors"

    private func error(opening path: String) -> CheckpointError? {
        do throws(CheckpointError) {
            _ = try MoELayerCheckpoint(directory: path, layer: 3)
            return nil
        } catch {
            return error
        }
    }

    /// Changes a text in a file of the fixture and returns what opening the layer throws.
    private func error(replacing text: String, with other: String, in name: String) throws -> CheckpointError? {
        let directory = try TemporaryDirectory.copyOfFixture()
        try #require(try directory.replace(text, with: other, in: name), "\(text) is not in \(name)")
        return error(opening: directory.path)
    }

    // MARK: Files

    @Test(
        "What is no regular file is refused at once",
        .timeLimit(.minutes(5)), arguments: ["config.json", index, shard], ["a named pipe", "a directory", "a device"])
    func irregular(_ name: String, _ kind: String) throws {
        let directory = try TemporaryDirectory.copyOfFixture()
        let path = directory.path + "/" + name
        unlink(path)
        switch kind {
        case "a named pipe": #expect(mkfifo(path, 0o600) == 0)
        case "a directory": #expect(mkdir(path, 0o700) == 0)
        default: #expect(symlink("/dev/zero", path) == 0)
        }
        #expect(
            error(opening: directory.path)
                == .fileUnreadable(file: path, reason: "it is \(kind) and not a regular file"))
    }

    @Test("A Git LFS pointer is named as one", arguments: ["config.json", index, shard])
    func pointer(_ name: String) throws {
        let directory = try TemporaryDirectory.copyOfFixture()
        try directory.write(
            """
            version https://git-lfs.github.com/spec/v1
            oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
            size 12345

            """.utf8, to: name)
        let found = error(opening: directory.path)
        #expect(found == .fileIsPointer(file: directory.path + "/" + name))
        #expect(found?.description.contains("git lfs pull") == true)
    }

    @Test("Tensor files without their index are named")
    func withoutIndex() throws {
        let directory = try TemporaryDirectory.copyOfFixture()
        unlink(directory.path + "/" + Self.index)
        let found = error(opening: directory.path)
        #expect(found == .indexMissing(directory: directory.path, shard: "model-00001-of-00002.safetensors"))
        #expect(found?.description.contains(Self.index) == true)
    }

    // MARK: JSON

    @Test(
        "A key that stands twice is refused in every file and every spelling",
        arguments: [
            ("config.json", "\"n_group\"", "\"hidden_size\": 256, \"n_group\""),
            ("config.json", "\"n_group\"", #""hidden_siz\u0065": 256, "n_group""#),
            ("config.json", "\"fmt\"", "\"fmt\": \"e4m3\", \"fmt\""),
            (index, "\"weight_map\"", #""weight\u005fmap": {}, "weight_map""#),
        ])
    func repeatedKeys(_ change: (file: String, old: String, new: String)) throws {
        let found = try error(replacing: change.old, with: change.new, in: change.file)
        switch found {
        case .configurationMalformed(_, let reason), .indexMalformed(_, let reason):
            #expect(reason.contains("more than once"), "\(reason)")
        default: Issue.record("\(String(describing: found))")
        }
    }

    @Test("A tensor that an index names twice is refused, spelled otherwise too")
    func repeatedTensor() throws {
        let bias = "model.layers.3.mlp.gate.e_score_correction_bias"
        for spelling in [bias, bias.replacing("model", with: "\\u006dodel")] {
            let found = try error(
                replacing: "\"weight_map\": {", with: "\"weight_map\": {\"\(spelling)\": \"\(Self.shard)\",",
                in: Self.index)
            guard case .tensorDuplicated(let file, bias, let other) = found, file == other else {
                Issue.record("\(String(describing: found))")
                continue
            }
            #expect(found?.description.contains("more than once") == true)
        }
    }

    @Test(
        "Text that is no JSON is refused with its place",
        arguments: [
            "{\"a\": 1,}", "{\"a\": [1,]}", "{\"a\": 01}", "{\"a\": 1.}", "{\"a\": +1}", "{\"a\": .5}", "{\"a\": 1e}",
            "{\"a\": \"\n\"}", #"{"a": "\x"}"#, #"{"a": "\ud800"}"#, #"{"a": "\u12g4"}"#, "{\"a\": tru}", "{'a': 1}",
            "{\"a\" 1}", "{\"a\": 1} {}", "{\"a\": 1", "{\"a\": \"", "{\"a\":}", "{a: 1}", "{,}", "\u{FEFF}{}",
            "{\"a\": // comment\n 1}", String(repeating: "[", count: 100_000),
            "{\"a\": " + String(repeating: "[", count: 70) + String(repeating: "]", count: 70) + "}",
        ])
    func grammar(_ text: String) throws {
        let directory = try TemporaryDirectory.copyOfFixture()
        try directory.write(text.utf8, to: "config.json")
        guard case .configurationMalformed(_, let reason) = error(opening: directory.path) else {
            Issue.record("\(text): \(String(describing: error(opening: directory.path)))")
            return
        }
        #expect(reason.hasPrefix("invalid JSON at byte "), "\(reason)")
    }

    @Test("JSON as others write it is read")
    func spellings() throws {
        let directory = try TemporaryDirectory.copyOfFixture()
        let spelled = [
            ("\"hidden_size\": 128", "\"hidden_siz\\u0065\" :\t128.0"),
            ("\"n_group\": 1", "\"n_group\": 1e0, \"other\": [{}, [], -0.5E+2, \"\\ud83d\\ude00\\/\\\"\", null, true]"),
            ("\"routed_scaling_factor\": 2.5", "\"routed_scaling_factor\": 2.5, \"unused\": [Infinity, NaN]"),
        ]
        for (old, new) in spelled { #expect(try directory.replace(old, with: new, in: "config.json")) }
        #expect(error(opening: directory.path) == nil)
    }

    @Test("Bytes that are not UTF-8 are refused")
    func encoding() throws {
        let directory = try TemporaryDirectory.copyOfFixture()
        try directory.write(Array("{\"a\": \"".utf8) + [0xC3, 0x28] + Array("\"}".utf8), to: "config.json")
        guard case .configurationMalformed(_, let reason) = error(opening: directory.path) else {
            Issue.record("\(String(describing: error(opening: directory.path)))")
            return
        }
        #expect(reason.contains("not UTF-8"))
    }

    @Test(
        "Numbers of the wrong kind are named as what they are",
        arguments: [
            ("hidden_size", "128", "128.5", "a whole number"), ("hidden_size", "128", "true", "a whole number"),
            ("hidden_size", "128", "1e30", "a whole number"), ("hidden_size", "128", "NaN", "a whole number"),
            ("hidden_size", "128", "9223372036854775808", "a whole number"),
            ("hidden_size", "128", "\"128\"", "a whole number"), ("n_group", "1", "[1]", "a whole number"),
            ("routed_scaling_factor", "2.5", "Infinity", "a finite number"),
            ("routed_scaling_factor", "2.5", "NaN", "a finite number"),
            ("routed_scaling_factor", "2.5", "1e999", "a finite number"),
            ("norm_topk_prob", "true", "1", "true or false"), ("scoring_func", "\"sigmoid\"", "3", "sigmoid"),
        ])
    func wrongKinds(_ change: (key: String, old: String, new: String, expected: String)) throws {
        let found = try error(
            replacing: "\"\(change.key)\": \(change.old)", with: "\"\(change.key)\": \(change.new)", in: "config.json")
        guard case .configurationInvalid(_, change.key, change.new, change.expected) = found else {
            Issue.record("\(String(describing: found))")
            return
        }
    }

    @Test("An index without tensors is refused", arguments: ["{\"weight_map\": {}}", "{\"weight_map\": null}", "{}"])
    func emptyIndex(_ text: String) throws {
        let directory = try TemporaryDirectory.copyOfFixture()
        try directory.write(text.utf8, to: Self.index)
        guard case .indexMalformed = error(opening: directory.path) else {
            Issue.record("\(String(describing: error(opening: directory.path)))")
            return
        }
    }

    // MARK: Messages

    @Test("Control characters of a file do not reach a message")
    func escapes() throws {
        let name = #"a\n\u001b[31mEVIL\u202e"#
        let directory = try TemporaryDirectory.copyOfFixture()
        #expect(try directory.replace("model-00001-of-00002.safetensors", with: name, in: Self.index))
        let message = try #require(error(opening: directory.path)).description
        #expect(message.contains(#"a\u{A}\u{1B}[31mEVIL\u{202E}"#), "\(message)")
        #expect(!message.contains("\n") && !message.contains("\u{1B}") && !message.contains("\u{202E}"))

        let tensor = try error(
            replacing: "\"model.layers.3.mlp.gate.weight\":", with: #""model\u0007.layers.3.mlp.gate.weight":"#,
            in: Self.index)
        #expect(tensor?.description.contains("\u{7}") == false)

        let type = try TemporaryDirectory.copyOfFixture()
        #expect(try type.replace("deepseek_v3", with: #"deepseek_v3\u001b[31mred\n"#, in: "config.json"))
        do throws(CheckpointError) {
            let text = try CheckpointSummary.inspect(directory: type.path).description
            #expect(!text.contains("\u{1B}") && text.contains(#"\u{1B}[31mred\u{A}"#))
        } catch {
            #expect(!error.description.contains("\u{1B}"))
        }
    }

    // MARK: Layers

    @Test("A layer that predicts further tokens has experts, and may be left out")
    func predictionLayer() throws {
        let directory = try TemporaryDirectory.copyOfFixture()
        func change(_ old: String, _ new: String) throws {
            #expect(try directory.replace(old, with: new, in: "config.json"))
        }
        // The layer that is there, 3, is the one behind the last.
        try change("\"num_hidden_layers\": 4", "\"num_hidden_layers\": 3, \"num_nextn_predict_layers\": 1")
        let summary = try CheckpointSummary.inspect(directory: directory.path)
        #expect(summary.expertLayers == [3] && summary.absentLayers.isEmpty)
        #expect(error(opening: directory.path) == nil)
        try change("\"num_nextn_predict_layers\": 1", "\"num_nextn_predict_layers\": 0")
        #expect(error(opening: directory.path) == .layerWithoutExperts(layer: 3, with: []))

        let without = try TemporaryDirectory.copyOfFixture()
        #expect(
            try without.replace(
                "\"num_hidden_layers\": 4", with: "\"num_hidden_layers\": 4, \"num_nextn_predict_layers\": 1",
                in: "config.json"))
        #expect(try CheckpointSummary.inspect(directory: without.path).absentLayers.isEmpty)
    }

    @Test("Layers of which there is nothing are known")
    func absentLayers() throws {
        let directory = try TemporaryDirectory.copyOfFixture()
        #expect(
            try directory.replace(
                "\"first_k_dense_replace\": 3", with: "\"first_k_dense_replace\": 1", in: "config.json"))
        let summary = try CheckpointSummary.inspect(directory: directory.path)
        #expect(summary.expertLayers == [3] && summary.absentLayers == [1, 2])
        #expect(summary.description.contains("from 1 to 2"))
    }
}
