import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
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

    @Test func namesWhatIsMissing() throws {
        let result = try Program.run(["run", "--device", "simulator", "--checkpoint", "/nonexistent", "--layer", "3"])
        #expect(result.code == 1)
        #expect(result.errors.contains("/nonexistent"))
    }
}
