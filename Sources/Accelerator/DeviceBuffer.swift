/// A stretch of device memory; freed when the last reference goes.
public final class DeviceBuffer: Sendable {
    /// Address of the first byte on the device.
    public let address: UInt64
    /// Size.
    public let bytes: Int
    /// What it is for, as errors name it.
    public let label: String
    private let release: @Sendable () -> Void

    /// A buffer that calls `release` when it goes.
    package init(address: UInt64, bytes: Int, label: String, release: @escaping @Sendable () -> Void) {
        self.address = address
        self.bytes = bytes
        self.label = label
        self.release = release
    }

    deinit { release() }

    /// `bytes` bytes from `offset` on, which must lie inside. The part keeps the whole.
    public func part(_ label: String, offset: Int, bytes: Int) -> DeviceBuffer {
        precondition(offset >= 0 && bytes >= 0 && offset + bytes <= self.bytes, "\(label) is no part of \(self.label)")
        return DeviceBuffer(address: address + UInt64(offset), bytes: bytes, label: label) { [self] in _ = self }
    }
}

extension Device {
    /// A buffer holding the elements of `array`.
    public func makeBuffer<T>(_ array: [T], label: String) throws -> DeviceBuffer {
        let buffer = try allocate(bytes: max(array.count * MemoryLayout<T>.stride, 16), label: label)
        try write(array, to: buffer)
        return buffer
    }

    /// Copies the elements of `array` into `buffer`, from byte `offset` on.
    public func write<T>(_ array: [T], to buffer: DeviceBuffer, offset: Int = 0) throws {
        try array.withUnsafeBytes { try write($0, to: buffer, offset: offset) }
    }

    /// `count` elements of `buffer`, from byte `offset` on. `T` is a plain value for which all bit patterns are valid.
    public func read<T: BitwiseCopyable>(_ type: T.Type, count: Int, from buffer: DeviceBuffer, offset: Int = 0) throws
        -> [T]
    {
        try [T](unsafeUninitializedCapacity: count) { destination, initialised in
            let bytes = UnsafeMutableRawBufferPointer(destination)
            if count > 0 {
                try read(
                    buffer, offset: offset,
                    into: UnsafeMutableRawBufferPointer(rebasing: bytes[0..<count * MemoryLayout<T>.stride]))
            }
            initialised = count
        }
    }
}
