/// A rule of tensor maps that a layout breaks. Dimension numbers count from 0, the innermost.
public enum TensorMapError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The number of dimensions is not in 1 … 5.
    case rank(Int)
    /// The box has another number of dimensions than the tensor.
    case boxCount(Int, rank: Int)
    /// There is not one stride fewer than there are dimensions.
    case strideCount(Int, rank: Int)
    /// The address is not a multiple of 16.
    case address(UInt64)
    /// An extent of the tensor is not in 1 … 2^32.
    case dimension(Int, index: Int)
    /// A stride is not a positive multiple of 16 below 2^40.
    case stride(Int, index: Int)
    /// An extent of the box is not in 1 … 256.
    case box(Int, index: Int)
    /// The box's innermost extent is not a multiple of 16 bytes.
    case innerBox(bytes: Int)
    /// The box's innermost extent is wider than the swizzle's span.
    case swizzle(span: Int, innerBytes: Int)

    /// One sentence that names the value, the limit and the remedy.
    public var description: String {
        switch self {
        case .rank(let rank):
            "A tensor map has 1 to 5 dimensions, not \(rank); merge or add dimensions."
        case .boxCount(let count, let rank):
            "The box of a tensor map of rank \(rank) needs \(rank) extents, not \(count); give one for each dimension."
        case .strideCount(let count, let rank):
            "A tensor map of rank \(rank) needs \(rank - 1) strides, not \(count); leave out the innermost, which is "
                + "the element size."
        case .address(let address):
            "The tensor's address 0x\(String(address, radix: 16)) is no multiple of 16; start it at one."
        case .dimension(let extent, let index):
            "Dimension \(index) of the tensor has \(extent) elements, but a tensor map takes 1 to 4294967296; leave "
                + "out empty tensors and split larger ones."
        case .stride(let stride, let index):
            "The stride of dimension \(index) is \(stride) bytes, but it must be a positive multiple of 16 below "
                + "1099511627776; pad the rows."
        case .box(let extent, let index):
            "Dimension \(index) of the box has \(extent) elements, but a box takes 1 to 256; use several copies."
        case .innerBox(let bytes):
            "The box is \(bytes) bytes wide along its innermost dimension, but it must be a multiple of 16; widen it."
        case .swizzle(let span, let innerBytes):
            "The box is \(innerBytes) bytes wide along its innermost dimension, but the \(span)-byte swizzle takes at "
                + "most \(span); narrow the box or choose a wider swizzle."
        }
    }
}
