/// Layout of a matrix operand in shared memory: which 16-byte chunks are exchanged within groups of rows, so that
/// tensor cores and bulk copies touch all banks (PTX ISA, "Shared memory matrix layout").
public enum Swizzle: Int, CaseIterable, Hashable, Sendable {
    case none = 0
    case bytes32 = 32
    case bytes64 = 64
    case bytes128 = 128

    /// The address where the byte at linear address `address` lies. Tiles start at multiples of 8 × the span.
    public func apply(_ address: UInt32) -> UInt32 {
        switch self {
        case .none: address
        case .bytes32: address ^ ((address >> 3) & 0x10)
        case .bytes64: address ^ ((address >> 3) & 0x30)
        case .bytes128: address ^ ((address >> 3) & 0x70)
        }
    }
}

/// Operand A of a warp-group multiply.
public enum MatrixOperand: Hashable, Sendable {
    /// A shared memory descriptor (UInt64), see `KernelBuilder.matrixDescriptor`.
    case descriptor(Operand)
    /// Four UInt32 registers per thread with packed elements, laid out as PTX ISA's register fragment of A.
    case registers([Operand])
}

/// `D[64, columns] += A[64, depth] × B[columns, depth]ᵀ`, issued by the 4 warps of a warp group and asynchronous until
/// waited for (PTX ISA, `wgmma.mma_async`). A and B are K-major. `depth` is 16 for BF16 and 32 for FP8.
///
/// Thread `t` of the group holds, in accumulator `4j + 2h + c` (j < columns/8; h, c < 2), the element of row
/// `16 * (t / 32) + (t % 32) / 4 + 8h` and column `8j + 2 * (t % 4) + c`.
public struct WarpGroupMultiply: Hashable, Sendable {
    /// BF16 or FP8 E4M3, for both operands.
    public var element: ScalarType
    /// Columns of D: a multiple of 8 from 8 to 256.
    public var columns: Int
    /// `columns / 2` Float32 registers, read and written.
    public var accumulators: [Register]
    /// A, 64 rows.
    public var a: MatrixOperand
    /// Descriptor of B, `columns` rows.
    public var b: Operand
    /// Bool constant or register: false replaces the accumulators' old values by zero. Uniform over the warp group.
    public var accumulate: Operand

    /// Elements of K that one instruction consumes.
    public var depth: Int { element == .bfloat16 ? 16 : 32 }

    /// The multiply; see the properties.
    public init(
        element: ScalarType, columns: Int, accumulators: [Register], a: MatrixOperand, b: Operand, accumulate: Operand
    ) {
        self.element = element
        self.columns = columns
        self.accumulators = accumulators
        self.a = a
        self.b = b
        self.accumulate = accumulate
    }
}

/// The fields of a shared memory matrix descriptor for K-major operands.
public struct MatrixDescriptorFields: Hashable, Sendable {
    /// Bytes between core matrices that follow each other along K; used without swizzle only.
    public var leadingBytes: UInt32
    /// Bytes between groups of 8 rows.
    public var strideBytes: UInt32
    /// The swizzle that the tile was written with.
    public var swizzle: Swizzle

    /// Fields as given.
    public init(leadingBytes: UInt32, strideBytes: UInt32, swizzle: Swizzle) {
        self.leadingBytes = leadingBytes
        self.strideBytes = strideBytes
        self.swizzle = swizzle
    }

    /// The descriptor's bits without the address field (address bits 4…17 go to bits 0…13).
    public var bits: UInt64 {
        let mode: UInt64 =
            switch swizzle {
            case .none: 0
            case .bytes128: 1
            case .bytes64: 2
            case .bytes32: 3
            }
        return UInt64((leadingBytes >> 4) & 0x3FFF) << 16 | UInt64((strideBytes >> 4) & 0x3FFF) << 32 | mode << 62
    }

    /// The fields that `descriptor` holds.
    public init(descriptor: UInt64) {
        leadingBytes = UInt32((descriptor >> 16) & 0x3FFF) << 4
        strideBytes = UInt32((descriptor >> 32) & 0x3FFF) << 4
        swizzle = [Swizzle.none, .bytes128, .bytes64, .bytes32][Int(descriptor >> 62)]
    }
}
