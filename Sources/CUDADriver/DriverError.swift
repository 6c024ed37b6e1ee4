/// A call of the driver that did not return success.
public struct CallFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// The driver's function, by the name under which it was looked up, for instance `cuMemAlloc_v2`.
    public let function: String
    /// The driver's result code (`CUresult`), never 0.
    public let code: Int32
    /// The code's name according to the driver, for instance `CUDA_ERROR_OUT_OF_MEMORY`.
    public let name: String
    /// The driver's explanation of the code.
    public let explanation: String
    /// The activity during which it failed, for instance `allocating 1024 bytes on device 0`.
    public let activity: String

    package init(function: String, code: Int32, name: String, explanation: String, activity: String) {
        self.function = function
        self.code = code
        self.name = name
        self.explanation = explanation
        self.activity = activity
    }

    /// One sentence with the function, the code, what was being done, and a remedy where the code suggests one.
    public var description: String {
        "\(function) failed with \(name) (\(code)) while \(activity): \(explanation)\(remedy)"
    }

    private var remedy: String {
        switch code {
        case 2: "; free device memory, or ask for less"
        case 209, 222: "; this driver cannot run code of that version, so install a newer NVIDIA driver"
        case 809:
            "; processes that share the GPU by MPS have taken all its queues, so start fewer, or set "
                + "CUDA_DEVICE_MAX_CONNECTIONS to a smaller number for each"
        case 700, 702, 714, 715, 716, 717, 718, 719:
            "; a kernel went wrong, this or an earlier one, and the context is lost, so the process has to start again"
        case 900, 901, 906: "; this call is not allowed while a stream of this thread is being captured"
        default: ""
        }
    }
}

/// Errors between this package and the NVIDIA driver.
public enum DriverError: Error, Hashable, Sendable, CustomStringConvertible {
    /// None of the file names could be opened. `attempts` holds the dynamic loader's sentence for each name tried.
    case libraryMissing(attempts: [LibraryAttempt])
    /// The library at `library` has no function called `name`.
    case symbolMissing(name: String, library: String, reason: String)
    /// The driver supports only CUDA `version`, in the driver's form (12030 is 12.3).
    case driverTooOld(version: Int, required: Int)
    /// The driver works, but finds no GPU.
    case noDevice(reason: String)
    /// There are `count` devices and `ordinal` is none of them.
    case noSuchDevice(ordinal: Int, count: Int)
    /// The GPU cannot run `sm_90a` code.
    case unsupportedDevice(ordinal: Int, name: String, major: Int, minor: Int)
    /// A function of the driver returned an error code.
    case callFailed(CallFailure)
    /// The driver's compiler refused the PTX text. `log` is what the compiler wrote.
    case moduleRejected(CallFailure, log: String)
    /// The address is none of a GPU's memory, as far as the driver knows.
    case notDeviceMemory(address: UInt64)
    /// The address is memory of GPU `ordinal`, not of GPU `expected`.
    case memoryOfOtherDevice(address: UInt64, ordinal: Int, expected: Int)
    /// The stream was made in another context than the primary one of GPU `ordinal`.
    case foreignStream(handle: UInt, ordinal: Int)
    /// Bytes outside a piece of memory were asked for.
    case outOfBounds(memory: String, offset: Int, byteCount: Int, available: Int)
    /// An argument was refused before the driver was called.
    case invalidArgument(String)

    /// One sentence that names the value, the limit and the remedy.
    public var description: String {
        switch self {
        case .libraryMissing(let attempts):
            let list = attempts.map { "\($0.path) (\($0.reason))" }.joined(separator: ", ")
            return "The NVIDIA driver library could not be opened; tried \(list); install an NVIDIA driver for "
                + "CUDA 12.3 or newer, or add the folder that holds libcuda.so.1 to LD_LIBRARY_PATH, or use the "
                + "simulated device, which needs no GPU."
        case .symbolMissing(let name, let library, let reason):
            return "The library \(library) has no function \(name) (\(reason)); install an NVIDIA driver for CUDA "
                + "12.3 or newer."
        case .driverTooOld(let version, let required):
            return "The NVIDIA driver supports CUDA \(Driver.versionText(version)), but at least "
                + "\(Driver.versionText(required)) is required; install a newer driver."
        case .noDevice(let reason):
            return "The NVIDIA driver finds no GPU (\(reason)); check nvidia-smi, CUDA_VISIBLE_DEVICES and the "
                + "container's GPU option, or use the simulated device."
        case .noSuchDevice(let ordinal, let count):
            return "There is no GPU with ordinal \(ordinal); this process sees \(count), so choose one in "
                + "0 ..< \(count)."
        case .unsupportedDevice(let ordinal, let name, let major, let minor):
            return "GPU \(ordinal) (\(name)) has compute capability \(major).\(minor), but the kernels are built for "
                + "sm_90a, which only 9.0 runs; use an H100, H200, H20 or GH200, or the simulated device."
        case .callFailed(let failure):
            return "\(failure)."
        case .moduleRejected(let failure, let log):
            return "\(failure); the compiler's log: \(log.isEmpty ? "(empty)" : log)"
        case .notDeviceMemory(let address):
            return "0x\(String(address, radix: 16)) is no address of a GPU's memory; give one of memory that CUDA has "
                + "allocated on a GPU and not freed."
        case .memoryOfOtherDevice(let address, let ordinal, let expected):
            return
                "0x\(String(address, radix: 16)) is memory of GPU \(ordinal), but GPU \(expected) was to use it; copy "
                + "it there, or open GPU \(ordinal)."
        case .foreignStream(let handle, let ordinal):
            return
                "The stream 0x\(String(handle, radix: 16)) was not made in the primary context of GPU \(ordinal); use "
                + "one that was made with that GPU current."
        case .outOfBounds(let memory, let offset, let byteCount, let available):
            return "\(byteCount) bytes at offset \(offset) do not lie inside \(memory), which has \(available) bytes; "
                + "choose an offset and a count whose sum is at most \(available)."
        case .invalidArgument(let sentence):
            return sentence
        }
    }
}

/// One file name under which the driver library was looked for, and why it could not be opened.
public struct LibraryAttempt: Hashable, Sendable {
    /// The name or path given to the dynamic loader.
    public let path: String
    /// The dynamic loader's explanation.
    public let reason: String
}
