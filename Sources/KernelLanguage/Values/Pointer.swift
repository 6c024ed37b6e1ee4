/// An address of elements in some memory space.
public protocol MemoryPointer<Element> {
    /// Type of the elements that it points at.
    associatedtype Element: Scalar
    /// Memory space that it points into.
    static var space: MemorySpace { get }
    /// Base and constant offset in bytes.
    var address: Address { get }
}

/// A pointer into global memory.
public struct Pointer<Element: Scalar>: MemoryPointer {
    /// `.global`
    public static var space: MemorySpace { .global }
    /// Base (UInt64) and constant offset in bytes.
    public let address: Address
    let builder: KernelBuilder

    init(_ address: Address, _ builder: KernelBuilder) {
        self.address = address
        self.builder = builder
    }

    /// The pointer whose 64 bits are `bits`, such as one loaded from a table of pointers.
    public init(bits: Value<UInt64>) {
        self.init(Address(bits.operand), bits.builder)
    }

    /// The address as a number.
    public var bits: Value<UInt64> { Value<UInt64>(address.base, builder) + address.offset }

    /// `index` elements further.
    public static func + (pointer: Self, index: Int) -> Self {
        Pointer(
            Address(pointer.address.base, offset: pointer.address.offset + index * Element.scalarType.bytes),
            pointer.builder)
    }

    /// `index` elements further.
    public static func + (pointer: Self, index: Value<UInt32>) -> Self {
        let bytes = index.multipliedWide(by: Element.scalarType.bytes)
        let base = Value<UInt64>(pointer.address.base, pointer.builder) + bytes
        return Pointer(Address(base.operand, offset: pointer.address.offset), pointer.builder)
    }

    /// `index` elements further.
    public static func + (pointer: Self, index: Value<UInt64>) -> Self {
        let base = Value<UInt64>(pointer.address.base, pointer.builder) + index * Element.scalarType.bytes
        return Pointer(Address(base.operand, offset: pointer.address.offset), pointer.builder)
    }

    /// The same address, pointing at another type.
    public func cast<T: Scalar>(to type: T.Type) -> Pointer<T> { Pointer<T>(address, builder) }
}

/// A pointer into the block's shared memory.
public struct SharedPointer<Element: Scalar>: MemoryPointer {
    /// `.shared`
    public static var space: MemorySpace { .shared }
    /// Base (UInt32) and constant offset in bytes.
    public let address: Address
    let builder: KernelBuilder

    init(_ address: Address, _ builder: KernelBuilder) {
        self.address = address
        self.builder = builder
    }

    /// The address as a number.
    public var bits: Value<UInt32> { Value<UInt32>(address.base, builder) + address.offset }

    /// `index` elements further.
    public static func + (pointer: Self, index: Int) -> Self {
        SharedPointer(
            Address(pointer.address.base, offset: pointer.address.offset + index * Element.scalarType.bytes),
            pointer.builder)
    }

    /// `index` elements further.
    public static func + (pointer: Self, index: Value<UInt32>) -> Self {
        let base = index.multiply(
            Element.scalarType.bytes, add: Value<UInt32>(pointer.address.base, pointer.builder))
        return SharedPointer(Address(base.operand, offset: pointer.address.offset), pointer.builder)
    }

    /// The same address, pointing at another type.
    public func cast<T: Scalar>(to type: T.Type) -> SharedPointer<T> { SharedPointer<T>(address, builder) }
}
