import Accelerator
import CSwiftEP
import ExpertKernels
import ExpertParallel

/// Packed weights of one GEMM.
final class WeightsObject {
    let device: DeviceObject
    let weights: WeightBuffer
    let experts: Int
    let isGated: Bool

    init(_ device: DeviceObject, _ matrix: swiftep_matrix) throws {
        let (n, k) = (Int(matrix.n), Int(matrix.k))
        let experts = Int(matrix.experts)
        guard (1...1_024).contains(experts) else {
            throw ShapeError(name: "experts", value: experts, range: 1...1_024, step: 1)
        }
        isGated = try Choices.flag("gated", matrix.gated)
        let arrangement: WeightPacking.Arrangement = isGated ? .gateUpInTurns : .matrix
        let tileN =
            isGated
            ? TileShape.maxN
            : TileShape.n(for: n, experts: experts, multiprocessors: device.device.properties.multiprocessors)
        let packing = try WeightPacking(rows: n, columns: k, tileN: tileN, arrangement)
        (self.device, self.experts) = (device, experts)
        let inPlace = try Choices.flag("in_place", matrix.in_place)
        let values = try device.device.adopt(
            address: matrix.values, bytes: experts * n * k, label: "weights of the caller"
        ) {}
        let scales = try device.device.adopt(
            address: matrix.scales, bytes: experts * packing.scales * 4, label: "weight scales of the caller"
        ) {}
        let stream = try device.device.makeStream(label: "packing of weights")
        // What the caller has enqueued may still write them.
        try device.device.synchronize()
        if inPlace {
            weights = try WeightBuffer(
                device.device, packingInPlace: values, scales: scales, rows: n, columns: k, experts: experts,
                tileN: tileN, arrangement, label: "caller", on: stream)
        } else {
            weights = try WeightBuffer(
                device.device, rows: n, columns: k, experts: experts, tileN: tileN, label: "of the caller")
            let all = UnpackedWeights(values: values, scales: scales, rows: n, columns: k)
            if isGated {
                try weights.pack(
                    gate: all.part(row: 0, rows: n / 2), up: all.part(row: n / 2, rows: n / 2), of: 0..<experts,
                    on: stream)
            } else {
                try weights.pack(all, of: 0..<experts, on: stream)
            }
        }
        try device.device.synchronize(stream)
    }

    /// The weights with this number.
    static func find(_ number: swiftep_weights) throws(ABIError) -> WeightsObject {
        try Handles.find(number, WeightsObject.self, "weights")
    }
}

/// A grouped GEMM with weights.
final class GEMMObject {
    let weights: WeightsObject
    let gemm: MaskedGEMM

    init(_ weights: WeightsObject, _ given: swiftep_gemm_configuration) throws {
        let signals = try Choices.flag("signals", given.signals)
        let output: MaskedGEMM.Output
        switch (Int32(bitPattern: given.output), signals, weights.isGated) {
        case (SWIFTEP_STORE, _, false): output = .bfloat16(signals: signals)
        case (SWIFTEP_SWIGLU, false, true): output = .swiGLU
        case (SWIFTEP_SWIGLU, true, _):
            throw ABIError.value("signals", given: "1", choices: "0, as SwiGLU has none")
        default:
            throw ABIError.value(
                "output", given: "\(given.output) for weights with gated \(weights.isGated ? 1 : 0)",
                choices: "SWIFTEP_SWIGLU for weights that were packed with gated 1, SWIFTEP_STORE for others")
        }
        self.weights = weights
        gemm = try MaskedGEMM(
            weights.weights, experts: weights.experts, maxRows: Int(given.max_rows),
            scaleRows: given.scale_rows == 0 ? nil : Int(given.scale_rows), blockM: Int(given.block_m),
            output: output, scales: Choices.scales(given.scales), scratch: weights.device.scratch)
    }

    /// The GEMM with this number.
    static func find(_ number: swiftep_gemm) throws(ABIError) -> GEMMObject {
        try Handles.find(number, GEMMObject.self, "GEMM")
    }
}
