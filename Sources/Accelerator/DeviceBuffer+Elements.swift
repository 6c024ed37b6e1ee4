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
