import ExpertKernels
import ExpertParallel
import TestSupport
import Testing

/// Activations in FP8: the reference and the kernels against numpy. Where scales are powers of two or SwiGLU is
/// clamped, it rounds and clamps by the models' own definition; where the weights have a scale for each row, it rounds
/// by 128 channels as kernels do.
@Suite(
    "Families: rounded activations, and clamped SwiGLU",
    .enabled(if: Python.hasNumPy || Python.isRequired, "python3 with numpy is not installed"))
struct RoundedActivationTests {
    private static let names = ["deepseek-v3.1", "deepseek-v3.2", "deepseek-v4", "deepseek-v4-base"]
    private static let perRow = ["glm-4.5-fp8", "glm-4.5-fp8-mixed"]
    /// What limits the cases have, which `generate.py` makes so loud that values are beyond them.
    private static let clamped: [(name: String, activation: Activation)] = [
        ("deepseek-v4", Activation(limit: 10)), ("deepseek-v4-base", Activation(limit: 10)),
        ("glm-5.3-flash", Activation(limit: 10)),
        ("minimax-m3", Activation(limit: 7, alpha: 1.702, offset: 1)),
        ("step-3.5-clamped", Activation(limit: 7, sharedLimit: 16, clamping: .output)),
    ]

    @Test("The reference agrees with numpy, and with exact scales it does not", arguments: names)
    func reference(_ name: String) throws {
        let rounded = try RoundedLayer(name)
        #expect(rounded.checkpoint.configuration.scaleFormat == .powerOfTwo)
        let (right, wrong) = (try rounded.reference(.powerOfTwo), try rounded.reference(.float32))
        #expect(relativeError(right, rounded.output) < 1e-3)
        #expect(relativeError(wrong, rounded.output) > 1e-2)
    }

    @Test("The kernels agree with numpy, and with exact scales they do not", arguments: names)
    func kernels(_ name: String) throws {
        let rounded = try RoundedLayer(name)
        for mode in [OverlapMode.none, .direct] {
            let error = relativeError(try rounded.kernels(.powerOfTwo, mode), rounded.output)
            #expect(error < 3e-3, "\(mode)")
        }
        #expect(relativeError(try rounded.kernels(.float32, .none), rounded.output) > 1e-2)
    }

    @Test("With a scale for each row of weights, reference and kernels agree with numpy", arguments: perRow)
    func rows(_ name: String) throws {
        let rounded = try RoundedLayer(name)
        #expect(rounded.checkpoint.hasChannelScales)
        #expect(relativeError(try rounded.reference(.float32), rounded.output) < 1e-3)
        for mode in OverlapMode.allCases {
            #expect(relativeError(try rounded.kernels(.float32, mode), rounded.output) < 3e-3, "\(mode)")
        }
        let error = try #require(throws: GroupError.self) {
            try rounded.kernels(.float32, .none, channelScales: false)
        }
        guard case .channelScalesUnexpected = error else { throw error }
        #expect(error.description.contains("channelScales"))
    }

    @Test(
        "With limits, reference and kernels agree with numpy, and without they do not", arguments: clamped.map(\.name))
    func clamps(_ name: String) throws {
        let rounded = try RoundedLayer(name)
        let wanted = Self.clamped.first { $0.name == name }?.activation
        #expect(rounded.activation == wanted)
        let scales = rounded.checkpoint.configuration.scaleFormat
        #expect(relativeError(try rounded.reference(scales), rounded.output) < 1e-3)
        #expect(relativeError(try rounded.kernels(scales, .none), rounded.output) < 3e-3)
        #expect(relativeError(try rounded.reference(scales, .plain), rounded.output) > 0.1)
        #expect(relativeError(try rounded.kernels(scales, .none, .plain), rounded.output) > 0.1)
    }
}
