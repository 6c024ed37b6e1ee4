import KernelLanguage

/// A part of a rank's window: elements of one type.
package struct WindowRegion<Element: Scalar>: Hashable, Sendable {
    /// Byte of the window at which the region begins, a multiple of 256.
    package let offset: Int
    /// Number of elements.
    package let count: Int
    /// Size in bytes.
    package var bytes: Int { count * Element.scalarType.bytes }

    /// Byte of the window at which the next region begins.
    var end: Int { (offset + bytes + 255) / 256 * 256 }

    /// The region of the window that starts at `window`.
    func pointer(in window: Pointer<UInt32>) -> Pointer<Element> {
        window.cast(to: Element.self) + offset / Element.scalarType.bytes
    }

    /// The region of the window whose address is `window`.
    func pointer(at window: Value<UInt64>) -> Pointer<Element> { Pointer(bits: window + offset) }
}
