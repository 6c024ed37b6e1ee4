import CUDADriver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// NVSHMEM's library for the host, `libnvshmem_host.so.3`, opened at run time.
///
/// Call `start`, and all functions after it, with the context of the process's GPU current. The library reports
/// failures on standard error; some of them end the process.
package struct NVSHMEMLibrary: Sendable {
    /// The version that the library itself states.
    package let version: NVSHMEMVersion
    private let functions: Functions

    private typealias Pointer = UnsafeMutableRawPointer

    private struct Functions: @unchecked Sendable {
        // Sendable: addresses of code, set once.
        let version:
            @convention(c) (UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>) ->
                Void
        let uniqueID: @convention(c) (Pointer) -> Int32
        let setUniqueID: @convention(c) (Int32, Int32, Pointer, Pointer) -> Int32
        let start: @convention(c) (UInt32, Pointer) -> Int32
        let status, process, processes: @convention(c) () -> Int32
        let allocate: @convention(c) (Int) -> Pointer?
        let free: @convention(c) (Pointer) -> Void
        let mapped: @convention(c) (Pointer, Int32) -> Pointer?
        let startModule, endModule: @convention(c) (Pointer) -> Int32
        let quiet, end: @convention(c) () -> Void

        init(_ library: DynamicLibrary) throws {
            version = try library.function("nvshmemx_vendor_get_version_info")
            uniqueID = try library.function("nvshmemx_get_uniqueid")
            setUniqueID = try library.function("nvshmemx_set_attr_uniqueid_args")
            start = try library.function("nvshmemx_hostlib_init_attr")
            status = try library.function("nvshmemx_init_status")
            process = try library.function("nvshmem_my_pe")
            processes = try library.function("nvshmem_n_pes")
            allocate = try library.function("nvshmem_malloc")
            free = try library.function("nvshmem_free")
            mapped = try library.function("nvshmem_ptr")
            startModule = try library.function("nvshmemx_cumodule_init")
            endModule = try library.function("nvshmemx_cumodule_finalize")
            quiet = try library.function("nvshmem_quiet")
            end = try library.function("nvshmemx_hostlib_finalize")
        }
    }

    /// Opens the library of an installation. Variables of the environment that it reads must be set before.
    ///
    /// - Throws: `NVSHMEMError.unusable`; `.versions` when its version is not that of the headers.
    package init(_ installation: NVSHMEMInstallation) throws(NVSHMEMError) {
        do {
            functions = try Functions(DynamicLibrary(candidates: [installation.library]))
        } catch DriverError.libraryMissing(let attempts) {
            throw .unusable(library: installation.library, reason: attempts.map(\.reason).joined(separator: "; "))
        } catch {
            throw .unusable(library: installation.library, reason: "\(error)")
        }
        var (major, minor, patch): (Int32, Int32, Int32) = (0, 0, 0)
        functions.version(&major, &minor, &patch)
        version = NVSHMEMVersion(major: Int(major), minor: Int(minor), patch: Int(patch))
        guard version == installation.version else {
            throw .versions(library: "\(version)", headers: "\(installation.version)", home: installation.home)
        }
    }

    /// A new ID, which this process is to send to all others. It then listens at the address where they meet.
    ///
    /// - Throws: `NVSHMEMError.call`.
    package func makeUniqueID() throws(NVSHMEMError) -> UniqueID {
        var bytes = [UInt8](repeating: 0, count: UniqueID.count)
        let status = bytes.withUnsafeMutableBytes { bytes in
            bytes.storeBytes(of: UniqueID.versionWord, as: Int32.self)
            return bytes.baseAddress.map(functions.uniqueID) ?? -1
        }
        guard status == 0, let id = UniqueID(bytes: bytes) else {
            throw failure("nvshmemx_get_uniqueid", status, "opening a port where processes meet")
        }
        return id
    }

    /// Starts NVSHMEM. All processes do it together, each with its own number.
    ///
    /// - Throws: `NVSHMEMError.call`, `.numbering`.
    package func start(_ id: UniqueID, process: Int, of processes: Int) throws(NVSHMEMError) {
        let attributes = try Self.attributes(id, process: process, of: processes, functions.setUniqueID, failure)
        // NVSHMEMX_INIT_WITH_UNIQUEID
        let code = functions.start(1 << 3, attributes.attributes)
        let activity = "starting process \(process) of \(processes)"
        guard code == 0 else { throw failure("nvshmemx_hostlib_init_attr", code, activity) }
        let status = functions.status()
        guard status >= Self.isInitialized else {
            throw failure("nvshmemx_init_status", status, activity + ", where 2, 3 or 4 was to come")
        }
        let (found, count) = (Int(functions.process()), Int(functions.processes()))
        guard found == process, count == processes else {
            throw .numbering(process: process, processes: processes, found: found, of: count)
        }
    }

    /// `NVSHMEM_STATUS_IS_INITIALIZED`; larger values are those of several processes on one GPU.
    private static let isInitialized: Int32 = 2

    /// The attributes that a process is started with, for tests.
    package func attributes(_ id: UniqueID, process: Int, of processes: Int) throws(NVSHMEMError) -> InitAttributes {
        try Self.attributes(id, process: process, of: processes, functions.setUniqueID, failure)
    }

    private static func attributes(
        _ id: UniqueID, process: Int, of processes: Int,
        _ set: @convention(c) (Int32, Int32, Pointer, Pointer) -> Int32,
        _ failure: (String, Int32, String) -> NVSHMEMError
    ) throws(NVSHMEMError) -> InitAttributes {
        let attributes = InitAttributes(id)
        let code = set(Int32(process), Int32(processes), attributes.uniqueID, attributes.attributes)
        guard code == 0 else { throw failure("nvshmemx_set_attr_uniqueid_args", code, "preparing the start") }
        return attributes
    }

    /// Allocates memory at the same place of the symmetric heap in all processes, which call this together; content
    /// undefined.
    ///
    /// - Throws: `NVSHMEMError.call` when memory runs out.
    package func allocate(bytes: Int, for what: String) throws(NVSHMEMError) -> UInt64 {
        let size = (bytes + Self.step - 1) / Self.step * Self.step
        guard let memory = functions.allocate(size) else {
            throw failure("nvshmem_malloc", -1, "allocating \(size) bytes for \(what)")
        }
        let address = UInt64(UInt(bitPattern: memory))
        guard address % Self.alignment == 0 else {
            throw failure(
                "nvshmem_malloc", -1,
                "allocating \(what): 0x\(String(address, radix: 16)) is no multiple of "
                    + "\(Self.alignment)")
        }
        return address
    }

    /// Sizes are rounded up to multiples of it, in bytes, so that all memory is aligned.
    private static let step = 4096
    /// The alignment in bytes that kernels and copies by tensor maps need.
    private static let alignment: UInt64 = 256

    /// Frees memory; all processes do it together, in the same order.
    package func free(_ address: UInt64) {
        if let memory = Pointer(bitPattern: UInt(address)) { functions.free(memory) }
    }

    /// The address at which this process has mapped another one's memory at the same place of the heap; nil if it
    /// cannot load from and store to it.
    package func mapped(_ address: UInt64, of process: Int) -> UInt64? {
        Pointer(bitPattern: UInt(address)).flatMap { functions.mapped($0, Int32(process)) }
            .map { UInt64(UInt(bitPattern: $0)) }
    }

    /// Initialises NVSHMEM's state in a loaded module. It waits for the GPU, on which no kernel may spin for one that
    /// comes later.
    ///
    /// - Throws: `NVSHMEMError.call`.
    package func start(module: UnsafeMutableRawPointer, _ kernel: String) throws(NVSHMEMError) {
        let code = functions.startModule(module)
        if code != 0 { throw failure("nvshmemx_cumodule_init", code, "preparing the kernel \(kernel)") }
    }

    /// Ends the use of a module, which is then unloaded.
    package func end(module: UnsafeMutableRawPointer) { _ = functions.endModule(module) }

    /// Returns when all operations that this process has issued are complete.
    package func settle() { functions.quiet() }

    /// Ends NVSHMEM; all processes do it together.
    package func end() { functions.end() }

    private func failure(_ function: String, _ status: Int32, _ activity: String) -> NVSHMEMError {
        let variables = ProcessInfo.processInfo.environment.filter { key, _ in
            key.hasPrefix("NVSHMEM_") || key == "CUDA_VISIBLE_DEVICES" || key.hasPrefix("CUDA_MPS_")
        }
        let shown = variables.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return .call(
            function, status: status, activity: activity,
            context: "NVSHMEM \(version), \(shown.isEmpty ? "none of its variables set" : shown.joined(separator: " "))"
        )
    }
}
