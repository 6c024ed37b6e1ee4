import ExpertParallel
import KernelLanguage
import TestSupport
import Testing

/// Checkpoints whose sizes are no multiples of 128, against numpy, which pads nothing but the groups of channels that
/// share a scale.
@Suite(
    "Families: sizes that are no multiples of 128",
    .enabled(if: Python.hasNumPy || Python.isRequired, "python3 with numpy is not installed"))
struct PaddedFamilyTests {
    @Test("Chosen experts, weights and output agree", arguments: FamilyCases.padded)
    func agrees(_ name: String) throws {
        let directory = try FamilyCases.paddedDirectory() + "/" + name
        let expected = try FamilyExpectation(directory: directory)
        let result = try FamilyResult(
            directory: directory, layer: expected.layer, hidden: expected.hidden.map { BFloat16(bits: $0) })
        #expect(result.difference(from: expected) == nil)
        let model = result.checkpoint.configuration
        #expect([model.hidden, model.intermediate] == [224, 96])
    }

    @Test("Kernels agree with numpy in all modes", arguments: ["deepseek-v3.1", "deepseek-v4", "glm-4.5-fp8"])
    func kernels(_ name: String) throws {
        let rounded = try RoundedLayer(name, in: FamilyCases.paddedDirectory())
        let scales = rounded.checkpoint.configuration.scaleFormat
        #expect(relativeError(try rounded.reference(scales), rounded.output) < 1e-3)
        let plain = try rounded.kernels(scales, .none)
        #expect(relativeError(plain, rounded.output) < 3e-3)
        for mode in OverlapMode.allCases { #expect(try rounded.kernels(scales, mode) == plain, "\(mode)") }
    }

    @Test("Blocks that reach from gate into up are refused")
    func straddling() throws {
        let directory = try FamilyCases.paddedDirectory() + "/" + FamilyCases.straddling
        let layer = try FamilyExpectation(directory: directory).layer
        let error = try #require(throws: CheckpointError.self) {
            try MoELayerCheckpoint(directory: directory, layer: layer)
        }
        guard case .dimensionNotMultiple(_, 96, 224, 128) = error else { throw error }
    }
}
