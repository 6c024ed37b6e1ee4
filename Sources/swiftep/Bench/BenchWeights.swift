import Accelerator
import ExpertKernels
import ExpertParallel

/// Random weights of the experts of a rank on the device, from which layers are packed there: all experts have the
/// same, each in memory of its own.
struct BenchWeights {
    let weights: LayerWeights
    /// Bytes of an expert as it is packed.
    let expertBytes: Int

    /// Draws and uploads them. All ranks and layers of a process use the same.
    init(_ device: any Device, _ shape: LayerShape) throws {
        var random = RandomStream(seed: 1, name: "weights")
        let table = GaussianFloat8Table()
        let (hidden, intermediate, local) = (shape.hidden, shape.intermediate, shape.localExperts)
        expertBytes = 3 * shape.paddedIntermediate * shape.paddedHidden
        func matrices(_ name: String, rows: Int, above: Int = 1, columns: Int) throws -> LayerWeights.Matrices {
            let one = table.codes(above * rows * columns, from: &random)
            let values = try device.allocate(bytes: local * one.count, label: name)
            for expert in 0..<local { try device.write(one, to: values, offset: expert * one.count) }
            let count = local * above * ScaleGroup.groups(rows) * ScaleGroup.groups(columns)
            let scales = [Float](repeating: 1e-3, count: count)
            return LayerWeights.Matrices(
                values: values, scales: try device.makeBuffer(scales, label: "scales of \(name)"))
        }
        // Gate above up.
        let gateUp = try matrices("gate and up", rows: intermediate, above: 2, columns: hidden)
        let down = try matrices("down", rows: hidden, columns: intermediate)
        var weights = LayerWeights(gateUp: gateUp, down: down)
        if shape.sharedExperts > 0 {
            weights.shared = LayerWeights.Shared(gateUp: gateUp, down: down, intermediate: intermediate)
        }
        self.weights = weights
    }
}
