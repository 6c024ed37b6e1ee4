import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage
import Testing

/// Variants of SwiGLU: what the kernel makes of chosen values, names of kernels, and what is refused.
@Suite("Activations")
struct ActivationTests {
    static let variants = [
        Activation.plain, Activation(limit: 7), Activation(limit: 7, clamping: .output),
        Activation(limit: 7, alpha: 1.702, offset: 1), Activation(limit: 2, sharedLimit: 5, clamping: .output),
        Activation(limit: nil, sharedLimit: 5), Activation(limit: 5, sharedLimit: nil),
        Activation(alpha: 0.5, offset: -1),
    ]
    /// Gates and ups: within all limits, at them, beyond them, and where nothing is finite.
    private static let values: [(gate: Float, up: Float)] = {
        let numbers: [Float] = [
            0, -0.0, 0.5, -0.5, 1.25, 2, 2.015625, 5, -5, 6.96875, 7, 7.03125, 9, -9, 40, -40, 3e20, -3e20,
        ]
        let rounded = numbers.map { BFloat16($0).float }
        let pairs = rounded.flatMap { gate in rounded.map { (gate, $0) } }
        // The product of the largest is beyond FP32.
        return pairs.filter { $0.0.magnitude < 1e20 || $0.1.magnitude < 1e20 }
            + [(.infinity, 1), (1, .infinity), (1, -.infinity)]
    }()

    /// The definition, by plain sentences: nothing of it is shared with kernels or reference.
    private func expected(_ activation: Activation, limit: Float?, gate: Float, up: Float) -> Double {
        var (gate, up) = (Double(gate), Double(up))
        if let limit = limit.map({ Double($0) }) {
            if activation.clamped == .input, gate > limit { gate = limit }
            if up > limit { up = limit }
            if up < -limit { up = -limit }
        }
        var silu = gate == 0 ? 0 : gate / (1 + exponential(-Double(activation.alpha) * gate))
        if let limit = limit.map({ Double($0) }), activation.clamped == .output, silu > limit { silu = limit }
        return silu * (up + Double(activation.offset))
    }

    /// e^x by halving and squaring.
    private func exponential(_ x: Double) -> Double {
        if x > 700 { return .infinity }
        if x < -700 { return 0 }
        let small = x / 1024
        var (sum, term) = (1.0, 1.0)
        for index in 1...12 {
            term *= small / Double(index)
            sum += term
        }
        for _ in 0..<10 { sum *= sum }
        return sum
    }

    /// Runs the separate kernel on rows whose 128 channels are all alike; gives the first channel of each.
    ///
    /// Of the two experts the first is shared; both get the same rows.
    private func run(_ activation: Activation, _ values: [(gate: Float, up: Float)]) throws -> [[Float]] {
        let device = SimulatedDevice(seed: 1)
        let stream = try device.makeStream(label: "activation")
        let shape = ExpertShape(
            hidden: 128, intermediate: 128, experts: 2, maxRows: values.count, blockM: 16, activation: activation,
            sharedExperts: 1)
        let ofExpert = values.flatMap { value in
            [UInt16](repeating: BFloat16(value.gate).bits, count: 128)
                + [UInt16](repeating: BFloat16(value.up).bits, count: 128)
        }
        let counts = try device.makeBuffer([UInt32(values.count), UInt32(values.count)], label: "counts")
        let gateUp = try device.makeBuffer(ofExpert + ofExpert, label: "gate and up")
        let rows = try device.allocate(bytes: 2 * values.count * 128, label: "rows")
        let scales = try device.allocate(bytes: 2 * shape.scaleRows * 4, label: "scales")
        let kernel = try swiGLUKernel(shape)
        let parameters = SwiGLUParameters(
            counts: MemoryParameter(address: counts.address), gateUp: MemoryParameter(address: gateUp.address),
            rows: MemoryParameter(address: rows.address), scales: MemoryParameter(address: scales.address))
        try device.launch(
            device.load(kernel), blocks: 3, arguments: KernelArguments([parameters]).ordered(for: kernel),
            dependentLaunch: false, on: stream)
        try device.synchronize(stream)
        let codes = try device.read(UInt8.self, count: rows.bytes, from: rows)
        let factors = try device.read(Float.self, count: scales.bytes / 4, from: scales)
        return (0..<2).map { expert in
            values.indices.map { row in
                Float8E4M3(bits: codes[(expert * values.count + row) * 128]).float
                    * factors[expert * shape.scaleRows + row]
            }
        }
    }

    @Test(
        "The kernel clamps, scales and adds as the definition says, for routed and shared experts", arguments: variants)
    func kernel(_ activation: Activation) throws {
        let values = Self.values.filter { value in
            [activation.limit, activation.sharedLimit].allSatisfy {
                expected(activation, limit: $0, gate: value.gate, up: value.up).isFinite
            }
        }
        let found = try run(activation, values)
        for (expert, limit) in [activation.sharedLimit, activation.limit].enumerated() {
            for (index, value) in values.enumerated() {
                let wanted = expected(activation, limit: limit, gate: value.gate, up: value.up)
                // A channel like all others is the largest, whose code is exact but for FP32.
                let error = (Double(found[expert][index]) - wanted).magnitude
                #expect(error <= 1e-5 * wanted.magnitude + 1e-37, "expert \(expert), \(value): \(found[expert][index])")
            }
        }
    }

    @Test("What is not a number stays so, behind limits too", arguments: variants)
    func notNumbers(_ activation: Activation) throws {
        for found in try run(activation, [(.nan, 1), (1, .nan), (.nan, .nan)]) {
            #expect(found.allSatisfy { $0.isNaN }, "\(found)")
        }
    }

    @Test("Kernels of different activations have different names, those of plain SwiGLU the usual ones")
    func names() throws {
        func name(_ activation: Activation, shared: Int) throws -> String {
            try swiGLUKernel(
                ExpertShape(
                    hidden: 128, intermediate: 128, experts: 4, maxRows: 3, blockM: 16, activation: activation,
                    sharedExperts: shared)
            ).name
        }
        let plain = "swiglu_i128_e4_r3"
        #expect(try name(.plain, shared: 2) == plain)
        let names = try Self.variants.map { try name($0, shared: 2) }
        #expect(Set(names).count == names.count)
        let much = Activation(limit: 7.5, alpha: 1.702, offset: 1)
        #expect(try name(much, shared: 2) == plain + "_limit7p5_alpha1p702_plus1")
        // Without shared experts their limit is nobody's.
        #expect(try name(Activation(limit: 2, sharedLimit: 5), shared: 0) == plain + "_limit2")
        #expect(try name(Activation(limit: 2, sharedLimit: 5), shared: 1) == plain + "_limit2_first1_limit5")
        #expect(try name(Activation(limit: 1e-20, offset: -3e20), shared: 0) == plain + "_limit1em20_plusm3e20")
    }

    @Test(
        "Limits and factors that are not positive are refused",
        arguments: [
            Activation(limit: 0), Activation(limit: -1), Activation(limit: .infinity), Activation(limit: .nan),
            Activation(limit: nil, sharedLimit: 0), Activation(alpha: 0), Activation(alpha: .infinity),
            Activation(offset: .nan), Activation(limit: 0x1p-133),
        ])
    func refused(_ activation: Activation) throws {
        let device = SimulatedDevice(seed: 1)
        let shape = try LayerShape(hidden: 128, intermediate: 128, experts: 4, topK: 2, ranks: 2, maxTokens: 3)
        var configuration = GroupConfiguration(
            shape: shape, deviceMultiprocessors: device.properties.multiprocessors)
        configuration.activation = activation
        #expect {
            try RankGroup(device: device, configuration: configuration)
        } throws: { error in
            guard case GroupError.activation = error else { return false }
            return "\(error)".contains("must be finite and at least")
        }
    }

    @Test("An activation describes itself")
    func descriptions() {
        #expect("\(Activation.plain)" == "SwiGLU")
        #expect("\(Activation(limit: 10))" == "SwiGLU, clamped to 10.0")
        #expect(
            "\(Activation(limit: 7, sharedLimit: nil, clamping: .output))"
                == "SwiGLU, routed clamped to 7.0 and shared not clamped behind the sigmoid")
        let much = Activation(limit: 7, alpha: 1.702, offset: 1)
        #expect("\(much)" == "SwiGLU, clamped to 7.0, factor 1.702, up plus 1.0")
    }
}
