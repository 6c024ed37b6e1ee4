extension Stream {
    /// The handle of the legacy default stream, `CU_STREAM_LEGACY`; 0 means the same.
    package static let legacyHandle: UInt = 1
    /// The handle of the calling thread's default stream, `CU_STREAM_PER_THREAD`. It always means the default stream of
    /// the thread that uses it.
    package static let perThreadHandle: UInt = 2

    /// Whether it is the legacy default stream, which cannot be captured, and with which streams made elsewhere may
    /// synchronise.
    package var isLegacy: Bool { UInt(bitPattern: handle) == Self.legacyHandle }

    /// Uses a stream that other code, such as CUDA's runtime, made in the same primary context and will destroy.
    ///
    /// - Parameter handle: The `CUstream` or `cudaStream_t` as a number: of a stream that lives as long as this
    ///   object, or 0, `legacyHandle` or `perThreadHandle`. The driver cannot tell a stream from other memory: anything
    ///   else may end the process.
    /// - Throws: `DriverError.foreignStream` for one of another context, such as another GPU's, `.callFailed`.
    package convenience init(adopting handle: UInt, context: Context) throws {
        let handle = handle == 0 ? Self.legacyHandle : handle
        guard let pointer = UnsafeMutableRawPointer(bitPattern: handle) else {
            throw DriverError.invalidArgument("0 is no stream.")
        }
        // The default streams belong to whichever context is current.
        if handle != Self.legacyHandle, handle != Self.perThreadHandle {
            let owner = try context.create("cuStreamGetCtx", "asking whose stream 0x\(String(handle, radix: 16)) is") {
                $0.cuStreamGetCtx(pointer, $1)
            }
            guard context.isContext(owner) else {
                throw DriverError.foreignStream(handle: handle, ordinal: context.ordinal)
            }
        }
        self.init(adopted: pointer, context: context)
    }
}
