import Accelerator

/// `swiftep bench gemm`
enum GEMMBenchCommand {
    private static let experts = Option<Int>.integer("experts", in: 1...1024, help: "Experts. Default: 16.")
    private static let n = Option<Int>.integer(
        "n", in: 128...131_072, multipleOf: 128,
        help: "Output channels, a multiple of 128, and of 256 with --swiglu. Default: 7168.")
    private static let k = Option<Int>.integer(
        "k", in: 128...65_536, multipleOf: 128, help: "Channels summed over, a multiple of 128. Default: 2048.")
    private static let tokens = BenchOptions.tokens(of: "expert", standard: "1,8,16,32,64,128")
    private static let multiprocessors = Option<Int>.integer(
        "sms", in: 1...1024, help: "Multiprocessors to run on, at most what the device has. Default: all.")
    private static let swiGLU = Option<Bool>.flag(
        "swiglu", help: "Take N as gate and up, and write SwiGLU of them in FP8.")
    private static let signals = Option<Bool>.flag("signals", help: "Raise a signal for each finished tile.")

    private static let dependent = Option<Bool>.flag(
        "dependent", help: "Let each launch load weights while the one before it ends.")

    static let command = Command(
        name: "gemm",
        summary: "Measures the grouped FP8 GEMM against reading its bytes.",
        discussion: [
            "Launches are captured in a graph and go round several sets of random weights, larger together than the L2 "
                + "cache. The floor is a kernel that only streams as many bytes of weights, measured in the same run.",
            "On the simulator times are simulated: they say nothing about any GPU.",
        ],
        options: [
            experts, n, k, tokens, multiprocessors, swiGLU, signals, dependent, DeviceOptions.device,
            ResultOptions.results, ResultOptions.commit, CommonOptions.json,
        ],
        run: { arguments in
            if arguments[swiGLU], let n = arguments[n], n % 256 != 0 {
                throw UsageError.invalidValue(
                    option: "--n", value: "\(n)", expected: "a multiple of 256 with --swiglu")
            }
            let output = try BenchOutput(arguments)
            let device = try DeviceOptions.open(arguments, seed: 1)
            let all = device.properties.multiprocessors
            if let given = arguments[multiprocessors], given > all {
                throw UsageError.invalidValue(
                    option: "--sms", value: "\(given)",
                    expected: "a whole number from 1 to \(all), the multiprocessors of the device")
            }
            let (experts, n, k) = (arguments[experts] ?? 16, arguments[n] ?? 7168, arguments[k] ?? 2048)
            let counts = arguments[tokens] ?? [1, 8, 16, 32, 64, 128]
            if device.properties.kind == .simulator {
                // Two sets of weights, and the rows that come and go.
                try SimulatorMemory.check(
                    experts * (2 * n * k + (counts.max() ?? 1) * (k + 2 * n)),
                    options: "--experts, --n, --k and --tokens")
            }
            let bench = try GEMMBench(
                device, experts: experts, n: n, k: k,
                multiprocessors: arguments[multiprocessors], output: arguments[swiGLU] ? .swiGLU : .bfloat16,
                signals: arguments[signals], dependent: arguments[dependent])
            try output.write(bench.run(tokens: counts), bench: "gemm", from: device)
            return 0
        })
}
