import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// `--tensors FILE`: what is in the file.
@Suite struct StepTensorsTests {
    /// A tensor as the header of a safetensors file describes it.
    private struct Entry: Decodable {
        let type: String
        let shape: [Int]
        let offsets: [Int]

        enum CodingKeys: String, CodingKey {
            case type = "dtype"
            case shape
            case offsets = "data_offsets"
        }
    }

    /// A header, whose metadata is no tensor.
    private struct Header: Decodable {
        let hidden, experts, weights, output: Entry

        enum CodingKeys: String, CodingKey {
            case hidden = "hidden_states"
            case experts = "topk_idx"
            case weights = "topk_weights"
            case output
        }
    }

    @Test func holdsWhatWentInAndWhatCameOut() throws {
        try TemporaryFolder.with { folder in
            let file = folder + "/step.safetensors"
            // Longer than what comes: nothing of it must be left.
            try Data(repeating: 120, count: 1_000_000).write(to: URL(filePath: file))
            let result = try Program.run(RunTests.small + ["--overlap", "direct,none", "--json", "--tensors", file])
            #expect(result.code == 0, "\(result.errors)")
            let report = try RunTests.Report(result)
            let bytes = Array(try Data(contentsOf: URL(filePath: file)))
            let length = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
            let header = try JSONDecoder().decode(Header.self, from: Data(bytes[8..<8 + length]))
            let (tokens, hidden, topK) = (report.ranks * report.tokens, report.hidden, report.topK)
            #expect(header.hidden.type == "BF16" && header.hidden.shape == [tokens, hidden])
            #expect(header.experts.type == "I64" && header.experts.shape == [tokens, topK])
            #expect(header.weights.type == "F32" && header.weights.shape == [tokens, topK])
            #expect(header.output.type == "BF16" && header.output.shape == [tokens, hidden])
            #expect(bytes.count == 8 + length + header.output.offsets[1])

            func content(_ entry: Entry) -> ArraySlice<UInt8> {
                bytes[8 + length + entry.offsets[0]..<8 + length + entry.offsets[1]]
            }
            let hash = content(header.output).reduce(0xCBF2_9CE4_8422_2325 as UInt64) {
                ($0 ^ UInt64($1)) &* 0x100_0000_01B3
            }
            let digits = String(hash, radix: 16)
            let padded = String(repeating: "0", count: 16 - digits.count) + digits
            #expect(report.modes.map(\.outputHash) == [padded, padded])
            #expect(Set(content(header.hidden)).count > 100, "hidden states are not random")
            let experts = stride(from: 0, to: tokens * topK * 8, by: 8).map { start in
                content(header.experts).dropFirst(start).prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
            }
            #expect(experts.allSatisfy { (0..<report.experts).contains($0) }, "\(experts)")
        }
    }
}
