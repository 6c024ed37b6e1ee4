/// A kernel of a module.
package final class Function: @unchecked Sendable {
    // Sendable: the handle is a constant, and the driver accepts a function from any thread.

    /// The module that holds the kernel.
    package let module: Module
    /// The kernel's name.
    package let name: String
    /// Registers per thread.
    package let registers: Int
    /// Static shared memory per block in bytes.
    package let staticSharedBytes: Int
    /// Local memory per thread in bytes; more than 0 where registers spill.
    package let localBytes: Int
    /// The most threads in a block of this kernel.
    package let maxThreadsPerBlock: Int
    let handle: UnsafeMutableRawPointer

    /// The context of the module.
    package var context: Context { module.context }

    private enum Attribute {
        static let maxThreadsPerBlock: Int32 = 0
        static let staticSharedBytes: Int32 = 1
        static let localBytes: Int32 = 3
        static let registers: Int32 = 4
        static let maxDynamicSharedBytes: Int32 = 8
    }

    init(name: String, module: Module) throws {
        let context = module.context
        let handle = try context.create("cuModuleGetFunction", "looking for the kernel \(name)") {
            $0.cuModuleGetFunction($1, module.handle, name)
        }
        func attribute(_ number: Int32) throws -> Int {
            try Self.attribute(number, of: handle, name: name, context: context)
        }
        self.module = module
        self.name = name
        self.handle = handle
        self.registers = try attribute(Attribute.registers)
        self.staticSharedBytes = try attribute(Attribute.staticSharedBytes)
        self.localBytes = try attribute(Attribute.localBytes)
        self.maxThreadsPerBlock = try attribute(Attribute.maxThreadsPerBlock)
    }

    /// The most dynamic shared memory in bytes that a launch may ask for at present.
    package func maxDynamicSharedBytes() throws -> Int {
        try Self.attribute(Attribute.maxDynamicSharedBytes, of: handle, name: name, context: context)
    }

    /// Lets launches ask for up to `byteCount` bytes of dynamic shared memory; needed above 48 KB.
    ///
    /// Static and dynamic together may not exceed `Context.maxSharedBytesPerBlock`: throws
    /// `DriverError.invalidArgument`.
    package func setMaxDynamicSharedBytes(_ byteCount: Int) throws {
        let limit = context.maxSharedBytesPerBlock - staticSharedBytes
        guard byteCount >= 0, byteCount <= limit else {
            throw DriverError.invalidArgument(
                "The kernel \(name) cannot have \(byteCount) bytes of dynamic shared memory: the GPU gives a block "
                    + "\(context.maxSharedBytesPerBlock) and \(staticSharedBytes) are static, so use at most \(limit).")
        }
        try context.call("cuFuncSetAttribute", "giving \(name) \(byteCount) bytes of dynamic shared memory") {
            $0.cuFuncSetAttribute(handle, Attribute.maxDynamicSharedBytes, Int32(byteCount))
        }
    }

    /// How many blocks of this kernel fit on one multiprocessor at the same time, 0 when none does. Throws
    /// `DriverError.invalidArgument` unless `threadsPerBlock` is in 1 … 1024.
    package func blocksPerMultiprocessor(threadsPerBlock: Int, dynamicSharedBytes: Int = 0) throws -> Int {
        guard threadsPerBlock > 0, threadsPerBlock <= context.maxThreadsPerBlock, dynamicSharedBytes >= 0 else {
            throw DriverError.invalidArgument(
                "A block of \(threadsPerBlock) threads and \(dynamicSharedBytes) bytes of dynamic shared memory does "
                    + "not exist; use 1 to \(context.maxThreadsPerBlock) threads and 0 or more bytes.")
        }
        var blocks: Int32 = 0
        try context.call("cuOccupancyMaxActiveBlocksPerMultiprocessor", "asking how many blocks of \(name) fit") {
            $0.cuOccupancyMaxActiveBlocksPerMultiprocessor(
                &blocks, handle, Int32(threadsPerBlock), dynamicSharedBytes)
        }
        return Int(blocks)
    }

    /// How many clusters of this launch fit on the GPU at the same time, 0 when none does. Throws
    /// `DriverError.invalidArgument` for a configuration without clusters or outside the GPU's limits.
    package func activeClusters(_ configuration: LaunchConfiguration) throws -> Int {
        try configuration.check(function: name, maxThreadsPerBlock: maxThreadsPerBlock)
        guard configuration.cluster != nil else {
            throw DriverError.invalidArgument(
                "The launch of \(name) has no clusters to count; set its cluster, or ask for blocksPerMultiprocessor.")
        }
        var clusters: Int32 = 0
        try configuration.withRaw(stream: nil) { raw in
            try context.call("cuOccupancyMaxActiveClusters", "asking how many clusters of \(name) fit") {
                $0.cuOccupancyMaxActiveClusters(&clusters, handle, raw)
            }
        }
        return Int(clusters)
    }

    private static func attribute(
        _ number: Int32, of handle: UnsafeMutableRawPointer, name: String, context: Context
    ) throws -> Int {
        var value: Int32 = 0
        try context.call("cuFuncGetAttribute", "asking for attribute \(number) of the kernel \(name)") {
            $0.cuFuncGetAttribute(&value, number, handle)
        }
        return Int(value)
    }
}
