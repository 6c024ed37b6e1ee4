/// The element type of a tensor map. Raw values are the driver's `CUtensorMapDataType`.
package enum TensorMapElement: Int32, Hashable, Sendable, CaseIterable {
    /// One byte; also FP8.
    case uint8 = 0
    /// Two bytes.
    case uint16 = 1
    /// Four bytes.
    case uint32 = 2
    /// Four bytes, signed.
    case int32 = 3
    /// Eight bytes.
    case uint64 = 4
    /// Eight bytes, signed.
    case int64 = 5
    /// IEEE half precision.
    case float16 = 6
    /// IEEE single precision.
    case float32 = 7
    /// IEEE double precision.
    case float64 = 8
    /// BF16.
    case bfloat16 = 9

    /// The size of an element in bytes.
    package var byteCount: Int {
        switch self {
        case .uint8: 1
        case .uint16, .float16, .bfloat16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64: 8
        }
    }
}

/// How a tensor map permutes 16-byte pieces in shared memory. Raw values are the driver's `CUtensorMapSwizzle`.
package enum TensorMapSwizzle: Int32, Hashable, Sendable, CaseIterable {
    /// Rows stand one after another.
    case none = 0
    /// Permutes inside 32 bytes.
    case bytes32 = 1
    /// Permutes inside 64 bytes.
    case bytes64 = 2
    /// Permutes inside 128 bytes.
    case bytes128 = 3

    /// The width in bytes of the permuted span, nil for none.
    package var span: Int? {
        switch self {
        case .none: nil
        case .bytes32: 32
        case .bytes64: 64
        case .bytes128: 128
        }
    }
}

/// How much the L2 cache fetches for a miss. Raw values are the driver's `CUtensorMapL2promotion`.
package enum TensorMapL2Promotion: Int32, Hashable, Sendable, CaseIterable {
    /// No more than is requested.
    case none = 0
    /// 64 bytes.
    case bytes64 = 1
    /// 128 bytes.
    case bytes128 = 2
    /// 256 bytes.
    case bytes256 = 3
}

/// The shape that a tensor map describes: a tensor in global memory and the box that one copy moves.
///
/// Dimensions go from the innermost, whose elements are adjacent, to the outermost. Elements of the box outside the
/// tensor read as zero and are not written. Source: CUDA driver API, `cuTensorMapEncodeTiled`.
package struct TensorMapLayout: Hashable, Sendable {
    /// The element type.
    package var element: TensorMapElement
    /// The tensor's extent in elements along each of 1 to 5 dimensions, each from 1 to 2^32.
    package var dimensions: [Int]
    /// The distance in bytes between neighbours along dimensions 1, 2, … (one fewer than `dimensions`), each a
    /// positive multiple of 16 below 2^40.
    package var strides: [Int]
    /// The box's extent in elements along each dimension, from 1 to 256; the innermost a multiple of 16 bytes and at
    /// most the swizzle's span.
    package var box: [Int]
    /// The permutation in shared memory.
    package var swizzle: TensorMapSwizzle
    /// How much the L2 cache fetches for a miss.
    package var l2Promotion: TensorMapL2Promotion

    /// Makes a layout. Nothing is checked until `check`.
    package init(
        element: TensorMapElement, dimensions: [Int], strides: [Int], box: [Int], swizzle: TensorMapSwizzle = .none,
        l2Promotion: TensorMapL2Promotion = .bytes256
    ) {
        self.element = element
        self.dimensions = dimensions
        self.strides = strides
        self.box = box
        self.swizzle = swizzle
        self.l2Promotion = l2Promotion
    }

    /// Checks the driver's rules for a tensor at `address`. Throws the first broken one as a `TensorMapError`.
    package func check(address: UInt64) throws {
        guard (1...5).contains(dimensions.count) else { throw TensorMapError.rank(dimensions.count) }
        guard box.count == dimensions.count else {
            throw TensorMapError.boxCount(box.count, rank: dimensions.count)
        }
        guard strides.count == dimensions.count - 1 else {
            throw TensorMapError.strideCount(strides.count, rank: dimensions.count)
        }
        guard address % 16 == 0 else { throw TensorMapError.address(address) }
        for (index, dimension) in dimensions.enumerated() where dimension < 1 || dimension > 1 << 32 {
            throw TensorMapError.dimension(dimension, index: index)
        }
        for (index, stride) in strides.enumerated() where stride < 16 || stride % 16 != 0 || stride >= 1 << 40 {
            throw TensorMapError.stride(stride, index: index + 1)
        }
        for (index, extent) in box.enumerated() where extent < 1 || extent > 256 {
            throw TensorMapError.box(extent, index: index)
        }
        let innerBytes = box[0] * element.byteCount
        guard innerBytes % 16 == 0 else { throw TensorMapError.innerBox(bytes: innerBytes) }
        if let span = swizzle.span, innerBytes > span {
            throw TensorMapError.swizzle(span: span, innerBytes: innerBytes)
        }
    }
}
