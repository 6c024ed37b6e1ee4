import Accelerator
import ExpertKernels

/// Weights of a rank's own experts in device memory, as engines hold them: FP8 E4M3 with a Float32 scale for each 128 x
/// 128. A layer packs them on the device and does not read them afterwards.
package struct LayerWeights {
    /// One matrix of each expert.
    package struct Matrices {
        /// FP8 E4M3 `[experts, rows, columns]`.
        package var values: DeviceBuffer
        /// Float32 `[experts, rows / 128, columns / 128]`, both rounded up; of gate above up the scales of gate and
        /// then those of up, each rounded up.
        package var scales: DeviceBuffer

        /// Matrices as given.
        package init(values: DeviceBuffer, scales: DeviceBuffer) {
            self.values = values
            self.scales = scales
        }
    }

    /// The shared expert's.
    package struct Shared {
        /// `[2 * intermediate, hidden]`, gate above up.
        package var gateUp: Matrices
        /// `[hidden, intermediate]`.
        package var down: Matrices
        /// Channels between its GEMMs, a multiple of 16.
        package var intermediate: Int

        /// Matrices as given.
        package init(gateUp: Matrices, down: Matrices, intermediate: Int) {
            self.gateUp = gateUp
            self.down = down
            self.intermediate = intermediate
        }
    }

    /// `[localExperts, 2 * intermediate, hidden]`, gate above up.
    package var gateUp: Matrices
    /// `[localExperts, hidden, intermediate]`.
    package var down: Matrices
    /// nil if the model has none.
    package var shared: Shared?

    /// Weights as given.
    package init(gateUp: Matrices, down: Matrices, shared: Shared? = nil) {
        self.gateUp = gateUp
        self.down = down
        self.shared = shared
    }

    /// Sizes must be multiples of it: the FP8 weights that are moved together in packing.
    package static let channelStep = PackedWeights.groupBytes

    /// Throws `ShapeError` for sizes of a layer that weights on a device cannot have.
    func require(_ shape: LayerShape) throws(ShapeError) {
        let sizes = [
            ("hidden", shape.hidden, most: LayerShape.mostHidden),
            ("intermediate", shape.intermediate, most: LayerShape.mostIntermediate),
            ("intermediate of the shared expert", shared?.intermediate ?? 0, most: LayerShape.mostIntermediate),
        ]
        for (name, size, most) in sizes where size % Self.channelStep != 0 {
            throw ShapeError(name: name, value: size, range: Self.channelStep...most, step: Self.channelStep)
        }
    }

    /// The weights to pack for experts of `shape`, the parts of the shared expert first: gate, up and down of
    /// consecutive experts.
    func parts(_ shape: LayerShape) -> [(
        gate: UnpackedWeights, up: UnpackedWeights, down: UnpackedWeights, experts: Range<Int>
    )] {
        let intermediate = shape.intermediate
        let sharedParts = shared.map { shared in
            let partWidth = shape.paddedIntermediate
            return stride(from: 0, to: shared.intermediate, by: partWidth).enumerated().map { number, first in
                let width = min(partWidth, shared.intermediate - first)
                let both = gateAboveUp(shared.gateUp, intermediate: shared.intermediate, columns: shape.hidden)
                let down = unpacked(shared.down, rows: shape.hidden, columns: shared.intermediate)
                return (
                    gate: both.part(row: first, rows: width),
                    up: both.part(row: shared.intermediate + first, rows: width),
                    down: down.part(column: first, columns: width), experts: number..<number + 1
                )
            }
        }
        let both = gateAboveUp(gateUp, intermediate: intermediate, columns: shape.hidden)
        let routed = (
            gate: both.part(row: 0, rows: intermediate), up: both.part(row: intermediate, rows: intermediate),
            down: unpacked(down, rows: shape.hidden, columns: intermediate),
            experts: shape.sharedExperts..<shape.rankExperts
        )
        return (sharedParts ?? []) + [routed]
    }

    private func gateAboveUp(_ matrices: Matrices, intermediate: Int, columns: Int) -> UnpackedWeights {
        UnpackedWeights(
            values: matrices.values, scales: matrices.scales, rows: 2 * intermediate, columns: columns,
            scalesOfExpert: 2 * ScaleGroup.groups(intermediate) * ScaleGroup.groups(columns))
    }

    private func unpacked(_ matrices: Matrices, rows: Int, columns: Int) -> UnpackedWeights {
        UnpackedWeights(values: matrices.values, scales: matrices.scales, rows: rows, columns: columns)
    }
}
