/// A tensor map: the 128 bytes that tell the GPU's copy engine about a tensor. It is passed to a kernel as a parameter
/// of 128 bytes, aligned to 64, as `Stream.launch` places it.
package struct TensorMap: Hashable, Sendable {
    /// The size of a tensor map in bytes.
    package static let byteCount = 128

    /// The 128 bytes, in the driver's undocumented format.
    package let bytes: [UInt8]
    /// The shape that the map describes.
    package let layout: TensorMapLayout
    /// The address of the tensor.
    package let address: UInt64

    /// Encodes a map for the tensor at `address` on the context's GPU.
    ///
    /// Throws `TensorMapError` for a broken rule, or `DriverError.callFailed`.
    package init(_ layout: TensorMapLayout, address: UInt64, context: Context) throws {
        try layout.check(address: address)
        let dimensions = layout.dimensions.map { UInt64($0) }
        // The driver does not read strides of a tensor with one dimension, but the pointer should point somewhere.
        let strides = layout.strides.map { UInt64($0) } + [0]
        let box = layout.box.map { UInt32($0) }
        let elementStrides = [UInt32](repeating: 1, count: box.count)
        let noInterleave: Int32 = 0
        let fillWithZeros: Int32 = 0

        let storage = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.byteCount, alignment: 64)
        defer { storage.deallocate() }
        storage.initializeMemory(as: UInt8.self, repeating: 0)
        guard let map = storage.baseAddress else {
            throw DriverError.invalidArgument("There is no memory for a tensor map of \(Self.byteCount) bytes.")
        }
        try context.call("cuTensorMapEncodeTiled", "encoding a tensor map of \(layout)") {
            $0.cuTensorMapEncodeTiled(
                map, layout.element.rawValue, UInt32(dimensions.count),
                UnsafeMutableRawPointer(bitPattern: UInt(address)), dimensions, strides, box, elementStrides,
                noInterleave, layout.swizzle.rawValue, layout.l2Promotion.rawValue, fillWithZeros)
        }
        self.bytes = Array(storage)
        self.layout = layout
        self.address = address
    }
}
