import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// `swiftep doctor`, on machines with and without a GPU.
@Suite struct DoctorTests {
    private struct Finding: Decodable {
        let name, verdict, text: String
        let remedy: String?
    }

    @Test func saysOfEachThingWhetherItWorksAndHowToGetIt() throws {
        let result = try Program.run(["doctor", "--json"])
        let findings = try JSONDecoder().decode([Finding].self, from: Data(result.output.utf8))
        let names = findings.map(\.name)
        for name in ["Swift runtime", "simulator", "NVIDIA driver", "NVSHMEM", "ptxas"] {
            #expect(names.contains(name), "\(names)")
        }
        #expect(findings.first { $0.name == "simulator" }?.text == "runs a kernel")
        #expect(result.code == (findings.contains { $0.verdict == "unusable" } ? 1 : 0))
        for finding in findings where finding.verdict != "works" {
            #expect(finding.remedy != nil, "\(finding)")
        }
    }

    @Test func textHasALineForEachFinding() throws {
        let result = try Program.run(["doctor"])
        let lines = result.output.split(separator: "\n")
        #expect(lines.contains { $0.hasPrefix("simulator") && $0.hasSuffix("runs a kernel") }, "\(result.output)")
        #expect(lines.contains { $0.hasPrefix("NVIDIA driver") }, "\(result.output)")
    }
}
