extension Stream {
    /// Launches a kernel.
    ///
    /// `arguments` holds the bytes of each kernel parameter in order, little-endian, each with exactly the size that
    /// the PTX text declares: the driver cannot check it. Every argument is handed over at an address that is a
    /// multiple of 64, as tensor maps require, and copied before this returns.
    ///
    /// Throws `DriverError.invalidArgument` for a configuration outside the GPU's limits or an empty argument, and
    /// `.callFailed`. Errors inside the kernel are reported by a later call.
    package func launch(
        _ function: Function, _ configuration: LaunchConfiguration, arguments: [[UInt8]] = []
    ) throws {
        if let empty = arguments.firstIndex(where: \.isEmpty) {
            throw DriverError.invalidArgument(
                "Argument \(empty) of the kernel \(function.name) has 0 bytes; give the bytes of the parameter.")
        }
        try withArgumentPointers(arguments) { try launch(function, configuration, pointers: $0) }
    }

    /// The same with the addresses of the parameters' bytes, those of tensor maps at multiples of 64.
    package func launch(
        _ function: Function, _ configuration: LaunchConfiguration,
        pointers: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    ) throws {
        try configuration.check(function: function.name, maxThreadsPerBlock: function.maxThreadsPerBlock)
        try configuration.withRaw(stream: handle) { raw in
            try context.call("cuLaunchKernelEx", activity(function, configuration)) {
                $0.cuLaunchKernelEx(raw, function.handle, pointers, nil)
            }
        }
    }

    /// Describes a launch that failed, with the limit that is most often forgotten.
    private func activity(_ function: Function, _ configuration: LaunchConfiguration) -> String {
        let limit = (try? function.maxDynamicSharedBytes()).map(String.init) ?? "unknown"
        return "launching \(function.name) with \(configuration) (set by setMaxDynamicSharedBytes: \(limit))"
    }
}

/// Places each argument at an address that is a multiple of 64 and calls `body` with the list of addresses.
package func withArgumentPointers<Result>(
    _ arguments: [[UInt8]], _ body: (UnsafeMutablePointer<UnsafeMutableRawPointer?>) throws -> Result
) rethrows -> Result {
    let alignment = 64
    let total = arguments.reduce(alignment) { $0 + ($1.count + alignment - 1) / alignment * alignment }
    let storage = UnsafeMutableRawBufferPointer.allocate(byteCount: total, alignment: alignment)
    defer { storage.deallocate() }

    var pointers: [UnsafeMutableRawPointer?] = []
    pointers.reserveCapacity(arguments.count + 1)
    var offset = 0
    for argument in arguments {
        let place = UnsafeMutableRawBufferPointer(rebasing: storage[offset..<offset + argument.count])
        place.copyBytes(from: argument)
        pointers.append(place.baseAddress)
        offset += (argument.count + alignment - 1) / alignment * alignment
    }
    // A kernel without parameters still gets a list, one that ends at once.
    pointers.append(nil)
    return try body(&pointers)
}
