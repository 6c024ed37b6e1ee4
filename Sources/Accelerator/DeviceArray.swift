import KernelLanguage

/// Device memory of elements of one type, as a kernel's memory parameter takes it.
public struct DeviceArray<Element: Scalar>: Sendable {
    /// The memory.
    public let buffer: DeviceBuffer

    /// All of `buffer`, which holds such elements.
    public init(_ buffer: DeviceBuffer) { self.buffer = buffer }

    /// Number of elements that fit.
    public var count: Int { buffer.bytes / Element.scalarType.bytes }

    /// The array as a kernel's parameter.
    public var parameter: MemoryParameter<Element> { MemoryParameter(address: buffer.address) }

    /// `count` elements from `first` on, which must lie inside.
    public func part(_ label: String, from first: Int, count: Int) -> DeviceArray {
        let bytes = Element.scalarType.bytes
        return DeviceArray(buffer.part(label, offset: first * bytes, bytes: count * bytes))
    }
}

extension Device {
    /// Allocates room for `count` elements, at least 16 bytes; content undefined.
    public func allocate<Element: Scalar>(
        _ type: Element.Type, count: Int, label: String
    ) throws -> DeviceArray<Element> {
        DeviceArray(try allocate(bytes: max(count * Element.scalarType.bytes, 16), label: label))
    }
}
