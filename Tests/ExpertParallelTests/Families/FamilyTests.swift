import ExpertParallel
import KernelLanguage
import TestSupport
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Every family's layer against a reference in numpy that is written from the family's own definition.
@Suite(
    "Families: agreement with numpy",
    .enabled(if: Python.hasNumPy || Python.isRequired, "python3 with numpy is not installed"))
struct FamilyTests {
    @Test("Chosen experts, weights and output agree", arguments: FamilyCases.all.map(\.name))
    func agrees(_ name: String) throws {
        let directory = try FamilyCases.directory() + "/" + name
        let expected = try FamilyExpectation(directory: directory)
        let result = try FamilyResult(
            directory: directory, layer: expected.layer, hidden: expected.hidden.map { BFloat16(bits: $0) })
        #expect(result.difference(from: expected) == nil)
        let family = FamilyCases.all.first { $0.name == name }?.family
        #expect(result.checkpoint.configuration.family == family)
    }

    @Test("The cases are those that the scripts write, and all families are among them")
    func complete() throws {
        let written = try FileManager.default.contentsOfDirectory(atPath: FamilyCases.directory()).sorted()
        #expect(written == FamilyCases.all.map(\.name).sorted())
        #expect(Set(FamilyCases.all.map(\.family)) == Set(ModelConfiguration.families))
    }

    @Test("What kernels do not do is refused by name, and what they do is not", arguments: FamilyCases.all.map(\.name))
    func requirements(_ name: String) throws {
        let wanted: [String: [LayerRequirement]] = [
            "deepseek-v3.1": [.powerOfTwoActivationScales], "deepseek-v3.2": [.powerOfTwoActivationScales],
            "deepseek-v4": [.powerOfTwoActivationScales], "deepseek-v4-base": [.powerOfTwoActivationScales],
            "glm-4.5-fp8": [.activationsPerToken], "glm-4.5-fp8-mixed": [.activationsPerToken],
            "qwen3-moe-nvfp4": [.fourBitActivations],
        ]
        let directory = try FamilyCases.directory() + "/" + name
        let layer = try FamilyExpectation(directory: directory).layer
        let described = try MoELayerCheckpoint(describing: directory, layer: layer)
        #expect(described.requirements == wanted[name] ?? [])
        let unsupported = described.requirements.filter { !$0.isSupported }
        if unsupported.isEmpty {
            _ = try MoELayerCheckpoint(directory: directory, layer: layer)
        } else {
            #expect(
                throws: CheckpointError.layerUnsupported(
                    directory: directory, layer: layer, requirements: unsupported)
            ) { try MoELayerCheckpoint(directory: directory, layer: layer) }
        }
    }

    @Test("What a conversion loses is known: something for BF16, nothing for the rest")
    func losses() throws {
        for (name, _) in FamilyCases.all {
            let directory = try FamilyCases.directory() + "/" + name
            let layer = try FamilyExpectation(directory: directory).layer
            let checkpoint = try MoELayerCheckpoint(describing: directory, layer: layer)
            #expect(checkpoint.conversionLoss == nil)
            _ = try checkpoint.expert(0)
            let once = checkpoint.conversionLoss
            #expect((once != nil) == (checkpoint.formats == [.bfloat16]), "\(name)")
            // E4M3 has three bits behind the first, and normal numbers an error of about 2^-5.2 of their size.
            if let once { #expect(once.relative > 0.015 && once.relative < 0.04, "\(name): \(once.relative)") }
            _ = try checkpoint.expert(0)
            #expect(checkpoint.conversionLoss == once)
        }
    }

    @Test("500 damaged directories end in an error or in what numpy says")
    func mutations() throws {
        // SWIFTEP_MUTATION_SEED looks for others.
        let seed = ProcessInfo.processInfo.environment["SWIFTEP_MUTATION_SEED"].flatMap { Int($0) } ?? 20_261_129
        let directory = try TemporaryDirectory()
        try Python.run(["\(FamilyCases.scripts)/mutate.py", directory.path + "/all", "\(seed)", "500"])
        var (right, refused) = (0, 0)
        let names = try FileManager.default.contentsOfDirectory(atPath: directory.path + "/all").sorted()
        for name in names {
            let place = directory.path + "/all/" + name
            let expected = try FamilyExpectation(directory: place)
            do {
                let result = try FamilyResult(
                    directory: place, layer: expected.layer, hidden: expected.hidden.map { BFloat16(bits: $0) })
                let difference = result.difference(from: expected)
                let (kind, changes) = (expected.case ?? "", expected.mutations ?? [])
                #expect(difference == nil, "seed \(seed), directory \(name), \(kind) after \(changes)")
                right += 1
            } catch let error as CheckpointError {
                #expect(!error.description.isEmpty)
                refused += 1
            } catch is RouterError {
                refused += 1
            } catch is ReferenceError {
                refused += 1
            }
        }
        print("seed \(seed): \(names.count) damaged directories, \(refused) refused, \(right) right")
        #expect(names.count == 500 && right >= 50 && refused >= 250)
    }
}
