#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The NVIDIA driver of this machine, `libcuda.so.1`, opened at run time.
package final class Driver: Sendable {
    /// The newest CUDA version that the driver supports, in its own form: 12030 is 12.3.
    package let version: Int
    /// The name under which the library was found.
    package let libraryPath: String
    package let functions: DriverFunctions

    /// The oldest CUDA version that will do: 12.3, in the driver's form.
    package static let requiredVersion = 12030

    /// Names under which the library is looked for, in this order. The system's loader finds the first; the others are
    /// the places where containers and the Windows subsystem keep it.
    package static let candidates = [
        "libcuda.so.1", "/usr/local/nvidia/lib64/libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1",
    ]

    private static let loaded = Result { try Driver(candidates: candidates) }

    /// Opens and starts the driver; later calls return the same driver, or throw the same error.
    ///
    /// Sets two environment variables first, unless they are set already: `CUDA_DEVICE_MAX_CONNECTIONS=32` and
    /// `CUDA_MODULE_LOADING=EAGER`.
    ///
    /// Throws `DriverError.libraryMissing`, `.symbolMissing`, `.driverTooOld`, `.noDevice` or `.callFailed`.
    package static func load() throws -> Driver {
        try loaded.get()
    }

    package init(candidates: [String]) throws {
        // Several ranks' streams share a GPU. With too few hardware queues one rank's kernel waits behind another's
        // that spins for it, and both stand still.
        setenv("CUDA_DEVICE_MAX_CONNECTIONS", "32", 0)
        // Loading a kernel at its first launch may wait for the device, which may be spinning for that very kernel.
        setenv("CUDA_MODULE_LOADING", "EAGER", 0)

        let library = try DynamicLibrary(candidates: candidates)
        let functions = try DriverFunctions(library: library)
        self.functions = functions
        self.libraryPath = library.path

        var version: Int32 = 0
        try Self.check(
            functions.cuDriverGetVersion(&version), "cuDriverGetVersion", "asking for the driver's version", functions)
        self.version = Int(version)
        guard Int(version) >= Self.requiredVersion else {
            throw DriverError.driverTooOld(version: Int(version), required: Self.requiredVersion)
        }

        let started = functions.cuInit(0)
        if started == ResultCode.noDevice {
            throw DriverError.noDevice(reason: Self.name(of: started, functions))
        }
        try Self.check(started, "cuInit", "starting the driver", functions)
        var count: Int32 = 0
        try Self.check(functions.cuDeviceGetCount(&count), "cuDeviceGetCount", "counting the GPUs", functions)
        guard count > 0 else { throw DriverError.noDevice(reason: "it counts 0 devices") }
    }

    /// The number of GPUs that this process sees, at least 1. Throws `DriverError.callFailed`.
    package func deviceCount() throws -> Int {
        var count: Int32 = 0
        try call("cuDeviceGetCount", "counting the GPUs") { $0.cuDeviceGetCount(&count) }
        return Int(count)
    }

    /// A version in the driver's form as people write it: 12030 gives `12.3`.
    package static func versionText(_ version: Int) -> String {
        "\(version / 1000).\(version % 1000 / 10)"
    }

    /// Calls a function of the driver and turns a result other than success into `DriverError.callFailed`.
    /// `activity` completes "while …" and is only evaluated on failure.
    package func call(
        _ function: String, _ activity: @autoclosure () -> String, _ body: (DriverFunctions) -> Int32
    ) throws {
        try Self.check(body(functions), function, activity(), functions)
    }

    /// The failure of a call, with the driver's name and explanation of a result code.
    package func failure(_ code: Int32, _ function: String, _ activity: String) -> CallFailure {
        Self.failure(code, function, activity, functions)
    }

    private static func check(
        _ code: Int32, _ function: String, _ activity: @autoclosure () -> String, _ functions: DriverFunctions
    ) throws {
        guard code != ResultCode.success else { return }
        throw DriverError.callFailed(failure(code, function, activity(), functions))
    }

    private static func failure(
        _ code: Int32, _ function: String, _ activity: String, _ functions: DriverFunctions
    ) -> CallFailure {
        var text: UnsafePointer<CChar>?
        var explanation = "the driver gives no explanation"
        if functions.cuGetErrorString(code, &text) == ResultCode.success, let text {
            explanation = String(cString: text)
        }
        return CallFailure(
            function: function, code: code, name: name(of: code, functions), explanation: explanation,
            activity: activity)
    }

    private static func name(of code: Int32, _ functions: DriverFunctions) -> String {
        var text: UnsafePointer<CChar>?
        guard functions.cuGetErrorName(code, &text) == ResultCode.success, let text else { return "an unknown error" }
        return String(cString: text)
    }
}

/// The result codes of the driver that this package tells apart.
enum ResultCode {
    static let success: Int32 = 0
    static let noDevice: Int32 = 100
    static let invalidValue: Set<Int32> = [1]
    static let notReady: Set<Int32> = [600]
    static let captureImplicit: Set<Int32> = [906]
    /// "Unsupported limit" and "not supported": a limit of the context that does not exist here, or may not be changed.
    static let withoutLimit: Set<Int32> = [215, 801]
    /// "Not permitted" and "not supported": handles of memory that the system does not give.
    static let notShareable: Set<Int32> = [800, 801]
    /// A stream is being captured, and its capture would break.
    static let duringCapture: Set<Int32> = [900, 901, 906]
}
