import CSwiftEP
import ExpertKernels
import ExpertParallel

/// The values that numbers of the header stand for. All functions throw `ABIError.value` for other numbers.
enum Choices {
    static func format(_ number: UInt32) throws(ABIError) -> DispatchFormat {
        switch Int32(bitPattern: number) {
        case SWIFTEP_BFLOAT16: .bfloat16
        case SWIFTEP_FLOAT8: .float8
        default: throw .value("format", given: "\(number)", choices: "SWIFTEP_BFLOAT16 or SWIFTEP_FLOAT8")
        }
    }

    static func scales(_ number: UInt32) throws(ABIError) -> ScaleFormat {
        switch Int32(bitPattern: number) {
        case SWIFTEP_SCALES_FLOAT32: .float32
        case SWIFTEP_SCALES_POWER_OF_TWO: .powerOfTwo
        case SWIFTEP_SCALES_EXPONENTS: .exponents
        default: throw .value("scales", given: "\(number)", choices: "one of SWIFTEP_SCALES_…")
        }
    }

    /// SwiGLU as a layer's configuration has it.
    static func activation(_ given: swiftep_layer_configuration) throws(ABIError) -> Activation {
        func positive(_ name: String, _ number: Double) throws(ABIError) -> Float? {
            if number == 0 { return nil }
            let value = Float(number)
            guard value.isFinite, value >= .leastNormalMagnitude else {
                throw .value(name, given: "\(number)", choices: "0, or \(Float.leastNormalMagnitude) to 3.4e38")
            }
            return value
        }
        let offset = Float(given.swiglu_offset)
        guard offset.isFinite else {
            throw .value("swiglu_offset", given: "\(given.swiglu_offset)", choices: "numbers within 3.4e38 of 0")
        }
        let clamped: Activation.ClampedGate =
            switch Int32(bitPattern: given.swiglu_clamp) {
            case SWIFTEP_CLAMP_GATE: .input
            case SWIFTEP_CLAMP_SILU: .output
            default:
                throw .value(
                    "swiglu_clamp", given: "\(given.swiglu_clamp)", choices: "SWIFTEP_CLAMP_GATE or SWIFTEP_CLAMP_SILU")
            }
        return Activation(
            limit: try positive("swiglu_limit", given.swiglu_limit),
            sharedLimit: try positive("swiglu_shared_limit", given.swiglu_shared_limit), clamping: clamped,
            alpha: try positive("swiglu_alpha", given.swiglu_alpha) ?? 1, offset: offset)
    }

    static func overlap(_ number: UInt32) throws(ABIError) -> OverlapMode {
        switch Int32(bitPattern: number) {
        case SWIFTEP_OVERLAP_NONE: .none
        case SWIFTEP_OVERLAP_SINGLE_BATCH: .singleBatch
        case SWIFTEP_OVERLAP_TWO_BATCH: .twoBatch
        case SWIFTEP_OVERLAP_DIRECT: .direct
        default: throw .value("overlap", given: "\(number)", choices: "one of SWIFTEP_OVERLAP_…")
        }
    }

    /// The network that reaches ranks of other nodes.
    enum Network {
        case none
        case adapter(NetworkAdapter)
        case nvshmem
    }

    static func network(_ number: UInt32) throws(ABIError) -> Network {
        switch Int32(bitPattern: number) {
        case SWIFTEP_NETWORK_NONE: .none
        case SWIFTEP_NETWORK_LOOPBACK: .adapter(.loopback)
        case SWIFTEP_NETWORK_ENGINE: .adapter(.engine)
        case SWIFTEP_NETWORK_NVSHMEM: .nvshmem
        default: throw .value("network", given: "\(number)", choices: "one of SWIFTEP_NETWORK_…")
        }
    }

    static func flag(_ name: String, _ number: UInt32) throws(ABIError) -> Bool {
        guard number <= 1 else { throw .value(name, given: "\(number)", choices: "0 or 1") }
        return number == 1
    }

    /// nil for no rate.
    static func link(bytesPerSecond: Double, latencySeconds: Double) throws -> LinkModel? {
        if bytesPerSecond == 0, latencySeconds == 0 { return nil }
        guard bytesPerSecond.isFinite else {
            throw ABIError.value("link_bytes_per_second", given: "\(bytesPerSecond)", choices: "1e8 to 1e13")
        }
        guard latencySeconds.isFinite, abs(latencySeconds) < 1e6 else {
            throw ABIError.value("link_latency_seconds", given: "\(latencySeconds)", choices: "0 to 1")
        }
        return try LinkModel(
            bytesPerSecond: bytesPerSecond, latencyNanoseconds: Int((latencySeconds * 1e9).rounded()))
    }

    /// Seconds that a call may wait.
    static func seconds(_ number: Double) throws(ABIError) -> Double {
        guard number >= 0, number <= 1e9 else {
            throw .value("seconds", given: "\(number)", choices: "0 to 1e9")
        }
        return number
    }

    /// A count of ranks or processes.
    static func count(_ name: String, _ number: UInt32) throws(ABIError) -> Int {
        guard (1...UInt32(LayerShape.mostRanks)).contains(number) else {
            throw .value(name, given: "\(number)", choices: "1 to \(LayerShape.mostRanks)")
        }
        return Int(number)
    }

    /// Seconds of a wait, 10 for 0.
    static func waitLimit(_ seconds: Double) -> Double { seconds == 0 ? 10 : seconds }
}
