/// Memory by values of a type.
extension SimulatedMachine {
    /// Allocates memory that holds these values, and gives its address.
    ///
    /// - Throws: `SimulationError.invalidArgument` for no values.
    public func allocate<T: BitwiseCopyable>(_ values: [T], label: String) throws -> UInt64 {
        let address = try allocate(bytes: values.count * MemoryLayout<T>.stride, label: label)
        try write(values, at: address)
        return address
    }

    /// Writes values at once.
    ///
    /// - Throws: `SimulationError` for memory that is not allocated.
    public func write<T: BitwiseCopyable>(_ values: [T], at address: UInt64) throws {
        try values.withUnsafeBytes { try write($0, at: address) }
    }

    /// Reads values at once; bytes that nobody has written are 0xFF.
    ///
    /// - Throws: `SimulationError` for memory that is not allocated.
    public func read<T: BitwiseCopyable>(_ type: T.Type, count: Int, from address: UInt64) throws -> [T] {
        try [T](unsafeUninitializedCapacity: count) { buffer, initialized in
            try read(into: UnsafeMutableRawBufferPointer(buffer), from: address)
            initialized = count
        }
    }
}
