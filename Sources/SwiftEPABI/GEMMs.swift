// Names and documentation are those of swiftep.h.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation

import CSwiftEP
import ExpertParallel

@c @implementation
public func swiftep_weights_pack(
    _ device: swiftep_device, _ matrix: UnsafePointer<swiftep_matrix>!,
    _ weights: UnsafeMutablePointer<swiftep_weights>!
) -> swiftep_result {
    attempt {
        let object = try DeviceObject.find(device)
        let given = try structure(matrix, .init(), "the matrix")
        _ = try require(weights, "weights")
        try write(Handles.keep(WeightsObject(object, given)), to: weights, "weights")
    }
}

@c @implementation
public func swiftep_weights_free(_ weights: swiftep_weights) -> swiftep_result {
    attempt { try Handles.drop(weights, WeightsObject.self, "weights") }
}

@c @implementation
public func swiftep_gemm_create(
    _ weights: swiftep_weights, _ configuration: UnsafePointer<swiftep_gemm_configuration>!,
    _ gemm: UnsafeMutablePointer<swiftep_gemm>!
) -> swiftep_result {
    attempt {
        let object = try WeightsObject.find(weights)
        let given = try structure(configuration, .init(), "the GEMM's configuration")
        _ = try require(gemm, "gemm")
        try write(Handles.keep(GEMMObject(object, given)), to: gemm, "gemm")
    }
}

@c @implementation
public func swiftep_gemm_threshold(
    _ gemm: swiftep_gemm, _ threshold: UnsafeMutablePointer<UInt32>!
) -> swiftep_result {
    attempt { try write(UInt32(GEMMObject.find(gemm).gemm.signalThreshold), to: threshold, "threshold") }
}

@c @implementation
public func swiftep_gemm_run(
    _ gemm: swiftep_gemm, _ stream: UInt64, _ rows: UInt64, _ rowScales: UInt64, _ counts: UInt64, _ output: UInt64,
    _ outputScales: UInt64, _ signals: UInt64, _ multiprocessors: UInt32
) -> swiftep_result {
    attempt {
        let object = try GEMMObject.find(gemm)
        try object.gemm.enqueue(
            .init(
                rows: rows, rowScales: rowScales, counts: counts, output: output, outputScales: outputScales,
                signals: signals),
            multiprocessors: multiprocessors == 0 ? nil : Int(multiprocessors),
            on: object.weights.device.stream(stream))
    }
}

@c @implementation
public func swiftep_gemm_free(_ gemm: swiftep_gemm) -> swiftep_result {
    attempt { try Handles.drop(gemm, GEMMObject.self, "GEMM") }
}
