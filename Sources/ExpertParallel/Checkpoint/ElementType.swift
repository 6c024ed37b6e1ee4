/// The element types of safetensors files, by the names of the format.
package enum ElementType: String, Hashable, Sendable, CaseIterable {
    case bool = "BOOL"
    case uint8 = "U8"
    case int8 = "I8"
    case float8e4m3 = "F8_E4M3"
    case float8e5m2 = "F8_E5M2"
    case float8e8m0 = "F8_E8M0"
    case uint16 = "U16"
    case int16 = "I16"
    case float16 = "F16"
    case bfloat16 = "BF16"
    case uint32 = "U32"
    case int32 = "I32"
    case float32 = "F32"
    case uint64 = "U64"
    case int64 = "I64"
    case float64 = "F64"
    case complex64 = "C64"

    /// Bytes of one element.
    package var size: Int {
        switch self {
        case .bool, .uint8, .int8, .float8e4m3, .float8e5m2, .float8e8m0: 1
        case .uint16, .int16, .float16, .bfloat16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64, .complex64: 8
        }
    }

    /// Bytes of a tensor of this shape, or nil when a dimension is negative or the product overflows.
    package func byteCount(shape: [Int]) -> Int? {
        // A zero anywhere makes an empty tensor, however large the other dimensions are.
        if shape.contains(where: { $0 < 0 }) { return nil }
        if shape.contains(0) { return 0 }
        var count = size
        for dimension in shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
            if overflow { return nil }
            count = product
        }
        return count
    }
}
