/// Kernels compiled by the driver from PTX text, or loaded from a linked program; unloaded when the last reference
/// goes.
///
/// A graph does not keep a module loaded: hold on to the module as long as a `GraphExec` with its kernels.
package final class Module: @unchecked Sendable {
    // Sendable: the handle is a constant, and the driver accepts a module from any thread.

    /// The context into which the module was loaded.
    package let context: Context
    /// The log of the driver's compiler: with `verbose` the registers and spills of each kernel. Empty when the driver
    /// took the code from its cache.
    package let log: String
    /// The driver's `CUmodule`.
    package let handle: UnsafeMutableRawPointer
    /// Called before the module is unloaded.
    private let beforeUnload: (@Sendable (UnsafeMutableRawPointer) -> Void)?

    static let logBytes = 64 << 10

    /// Compiles and loads PTX text.
    ///
    /// - Parameters:
    ///   - ptx: The text.
    ///   - context: Where to load it.
    ///   - verbose: Whether the log has the registers and spills of each kernel.
    ///   - lines: Whether the code keeps the lines of the text's `.loc` directives, for profilers and sanitizers.
    ///
    /// Throws `DriverError.moduleRejected` with the compiler's log, or `.invalidArgument` when the text has a zero
    /// byte.
    package convenience init(ptx: String, context: Context, verbose: Bool = false, lines: Bool = false) throws {
        var text = Array(ptx.utf8)
        guard !text.contains(0) else {
            throw DriverError.invalidArgument("The PTX text contains a zero byte, which ends it early; remove it.")
        }
        text.append(0)
        try self.init(
            text, "loading \(text.count - 1) bytes of PTX", context: context, verbose: verbose, lines: lines,
            beforeUnload: nil)
    }

    /// Loads a program that a linker has made for the GPU.
    ///
    /// - Parameters:
    ///   - cubin: The program.
    ///   - context: Where to load it.
    ///   - beforeUnload: Called with the handle before the module is unloaded.
    ///
    /// Throws `DriverError.moduleRejected`.
    package convenience init(
        cubin: [UInt8], context: Context, beforeUnload: @escaping @Sendable (UnsafeMutableRawPointer) -> Void
    ) throws {
        try self.init(
            cubin, "loading a linked program of \(cubin.count) bytes", context: context, verbose: false, lines: false,
            beforeUnload: beforeUnload)
    }

    private init(
        _ text: [UInt8], _ activity: String, context: Context, verbose: Bool, lines: Bool,
        beforeUnload: (@Sendable (UnsafeMutableRawPointer) -> Void)?
    ) throws {
        let information = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.logBytes, alignment: 16)
        let errors = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.logBytes, alignment: 16)
        defer {
            information.deallocate()
            errors.deallocate()
        }
        information.initializeMemory(as: UInt8.self, repeating: 0)
        errors.initializeMemory(as: UInt8.self, repeating: 0)

        // Information log, its size, error log, its size, verbose.
        var options: [Int32] = [3, 4, 5, 6, 12]
        // The driver takes numbers in the place of pointers.
        var values: [UnsafeMutableRawPointer?] = [
            information.baseAddress, UnsafeMutableRawPointer(bitPattern: Self.logBytes),
            errors.baseAddress, UnsafeMutableRawPointer(bitPattern: Self.logBytes),
            UnsafeMutableRawPointer(bitPattern: verbose ? 1 : 0),
        ]
        if lines {
            options.append(13)
            values.append(UnsafeMutableRawPointer(bitPattern: 1))
        }
        do {
            self.handle = try context.create("cuModuleLoadDataEx", activity) {
                $0.cuModuleLoadDataEx($1, text, UInt32(options.count), &options, &values)
            }
        } catch DriverError.callFailed(let failure) {
            throw DriverError.moduleRejected(failure, log: Self.text(errors))
        }
        self.context = context
        self.log = Self.text(information)
        self.beforeUnload = beforeUnload
    }

    deinit {
        beforeUnload?(handle)
        context.release { $0.cuModuleUnload(handle) }
    }

    /// Looks up a kernel by its name in the PTX text. Throws `DriverError.callFailed` when there is none.
    package func function(_ name: String) throws -> Function {
        try Function(name: name, module: self)
    }

    /// The text of a log.
    static func text(_ buffer: UnsafeMutableRawBufferPointer) -> String {
        var bytes = Array(buffer.prefix { $0 != 0 })
        while let last = bytes.last, last == 10 || last == 13 || last == 32 { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}
