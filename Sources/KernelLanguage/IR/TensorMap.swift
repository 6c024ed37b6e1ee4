/// A tensor in global memory as bulk tensor copies see it: up to five dimensions, innermost first, and the box that one
/// copy moves. Elements outside the tensor read as zero and are not written.
public struct TensorMap: Hashable, Sendable {
    /// Address of element (0, 0, …) in global memory, a multiple of 16.
    public var address: UInt64
    /// Element type: FP8, BF16, Float32, Int32, UInt32 or UInt64.
    public var element: ScalarType
    /// Elements per dimension, innermost first; 1 to 5 dimensions.
    public var dimensions: [Int]
    /// Bytes between elements of dimension 1, 2, …; multiples of 16; one fewer than dimensions (the innermost is
    /// dense).
    public var strides: [Int]
    /// Elements per dimension that one copy moves; each 1 to 256.
    public var box: [Int]
    /// Swizzle of 16-byte chunks in shared memory.
    public var swizzle: Swizzle

    /// A tensor map as given; checked by the device that uses it.
    public init(
        address: UInt64, element: ScalarType, dimensions: [Int], strides: [Int], box: [Int], swizzle: Swizzle = .none
    ) {
        self.address = address
        self.element = element
        self.dimensions = dimensions
        self.strides = strides
        self.box = box
        self.swizzle = swizzle
    }

    /// Bytes that one copy moves into shared memory.
    public var boxBytes: Int { box.reduce(element.bytes, *) }
}
