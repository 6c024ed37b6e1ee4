import CUDADriver
import KernelLanguage

extension KernelLanguage.TensorMap {
    /// The layout as the driver encodes it, or nil when memory cannot hold the elements.
    var layout: TensorMapLayout? {
        let element: TensorMapElement
        switch self.element {
        case .bool: return nil
        // FP8 is moved, not computed with: any one-byte type serves, and the driver has no FP8.
        case .float8E4M3: element = .uint8
        case .bfloat16: element = .bfloat16
        case .uint32: element = .uint32
        case .int32: element = .int32
        case .float32: element = .float32
        case .uint64: element = .uint64
        }
        let swizzle: TensorMapSwizzle =
            switch self.swizzle {
            case .none: .none
            case .bytes32: .bytes32
            case .bytes64: .bytes64
            case .bytes128: .bytes128
            }
        return TensorMapLayout(
            element: element, dimensions: dimensions, strides: strides, box: box, swizzle: swizzle)
    }
}
