import CUDADriver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The functions that kernels with network operations call, implemented with NVSHMEM and compiled on the machine that
/// has it.
///
/// They are compiled against the headers beside the library that is loaded, since the interface between headers and
/// library differs from version to version. The result is kept on disk.
package struct NVSHMEMShim: Sendable {
    /// The functions as PTX text.
    package let ptx: String
    private let installation: NVSHMEMInstallation
    private let deviceLibrary: [UInt8]
    private let linker: JITLinker?

    /// The source of the functions, which are described in `NetworkFunction`; the context says how many ranks a process
    /// (a PE, to NVSHMEM) has.
    ///
    /// NVRTC's 64-bit integers are `long long`, and the library's, which another compiler has made, `long`: names of
    /// its functions differ. Its headers also use names of `std` that NVRTC has in `cuda::std` alone.
    package static let source = """
        #define uint64_t swiftep_long_long
        #include <cuda/std/cstdint>
        #if __has_include(<cuda_awbarrier_helpers.h>)
        #include <cuda_awbarrier_helpers.h>
        #endif
        #undef uint64_t
        using uint64_t = unsigned long;
        namespace cuda { namespace std { using ::uint64_t; } }
        #include <cuda/std/type_traits>
        namespace std { using namespace cuda::std; }
        #include <device/nvshmem_defines.h>
        #include <device/nvshmemx_defines.h>

        #define SWIFTEP extern "C" __device__ __noinline__
        typedef unsigned long long u64;
        typedef unsigned int u32;

        SWIFTEP void swiftep_network_put(u64 ranks, u32 peer, u32, u64 target, u64 source, u32 bytes) {
            nvshmem_putmem_nbi((void *)target, (const void *)source, bytes, peer / (u32)ranks);
        }
        SWIFTEP void swiftep_network_put_add(
            u64 ranks, u32 peer, u32, u64 target, u64 source, u32 bytes, u64 word, u64 value) {
            nvshmem_putmem_signal_nbi(
                (void *)target, (const void *)source, bytes, (uint64_t *)word, value, NVSHMEM_SIGNAL_ADD,
                peer / (u32)ranks);
        }
        SWIFTEP void swiftep_network_add(u64 ranks, u32 peer, u32, u64 word, u64 value) {
            nvshmemx_signal_op((uint64_t *)word, value, NVSHMEM_SIGNAL_ADD, peer / (u32)ranks);
        }
        SWIFTEP void swiftep_network_put_word(u64 ranks, u32 peer, u32, u64 target, u64 value) {
            nvshmem_uint64_p((uint64_t *)target, value, peer / (u32)ranks);
        }
        SWIFTEP u32 swiftep_network_flush(u64 ranks, u32 peer, u32) {
            nvshmem_quiet();
            return 1;
        }

        """

    /// Compiles the functions, or takes them from the disk.
    ///
    /// - Parameters:
    ///   - installation: NVSHMEM.
    ///   - toolkit: The tools to compile with.
    ///   - cache: A directory for compiled functions; nil for none.
    /// - Throws: `NVSHMEMError.noCompiler`, `.unusable`, `.compilation`, `.incomplete`.
    package init(
        _ installation: NVSHMEMInstallation, _ toolkit: CUDAToolkit, cache: String? = Self.usualCache
    ) throws(NVSHMEMError) {
        self.installation = installation
        guard let library = FileManager.default.contents(atPath: installation.deviceLibrary) else {
            throw .incomplete(home: installation.home, missing: installation.deviceLibrary)
        }
        deviceLibrary = Array(library)
        linker = JITLinker(toolkit.linkers)
        let compiler = try RuntimeCompiler(toolkit.compilers)
        let file = cache.map { "\($0)/\(Self.fileName(installation.version, compiler.version))" }
        if let file, let known = try? String(contentsOfFile: file, encoding: .utf8), known.hasSuffix(Self.end) {
            ptx = known
            return
        }
        let options =
            ["--gpu-architecture=\(Self.architecture)", "-rdc=true", "-std=c++17", "-default-device"]
            + ([installation.headers] + toolkit.headers).map { "-I\($0)" }
        ptx = try compiler.compile(Self.source, options: options) + Self.end
        if let cache, let file { Self.keep(ptx, cache, file) }
    }

    /// Links a kernel with the functions into a program that the driver can load, by nvJitLink, or by the driver where
    /// nvJitLink is missing or fails.
    ///
    /// - Parameters:
    ///   - ptx: The kernel.
    ///   - name: Its name, for errors.
    ///   - context: Of the GPU, if there is one, for the driver's linker.
    /// - Throws: `NVSHMEMError.link` with the logs of all linkers.
    package func link(_ ptx: String, name: String, context: Context? = nil) throws(NVSHMEMError) -> [UInt8] {
        let inputs: [DriverLinker.Input] = [
            .ptx(ptx, name: "\(name).ptx"), .ptx(self.ptx, name: "swiftep_nvshmem.ptx"),
            .library(deviceLibrary, name: "libnvshmem_device.a"),
        ]
        var problems = linker == nil ? ["there is no nvJitLink"] : []
        if let linker {
            switch linker.link(inputs) {
            case .success(let program): return program
            case .failure(let failure): problems.append("\(linker.path) \(failure.text)")
            }
        }
        guard let context else { throw .link(kernel: name, log: problems.joined(separator: "; ")) }
        do {
            return try DriverLinker(context: context).link(inputs)
        } catch {
            throw .link(kernel: name, log: (problems + ["\(error)"]).joined(separator: "; "))
        }
    }

    // MARK: On disk

    /// Hopper's. Instructions that only it has are in kernels, not here.
    private static let architecture = "compute_90"
    /// The end of a file that was written completely.
    private static let end = "\n// end of swiftep_nvshmem\n"

    /// The directory of results: `SWIFTEP_CACHE`, or else `swiftep` in the user's cache directory.
    package static var usualCache: String? {
        let environment = ProcessInfo.processInfo.environment
        if let own = environment["SWIFTEP_CACHE"] { return own.isEmpty ? nil : own }
        if let caches = environment["XDG_CACHE_HOME"], !caches.isEmpty { return "\(caches)/swiftep" }
        return environment["HOME"].map { "\($0)/.cache/swiftep" }
    }

    /// A file name that has everything that the result depends on.
    package static func fileName(_ version: NVSHMEMVersion, _ compiler: String) -> String {
        // FNV-1a
        let digest = source.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return "nvshmem-\(version)-nvrtc-\(compiler)-\(architecture)-\(String(digest, radix: 16)).ptx"
    }

    /// Writes a file atomically. Where that fails, the functions are compiled again the next time.
    private static func keep(_ text: String, _ directory: String, _ file: String) {
        try? FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try? Data(text.utf8).write(to: URL(fileURLWithPath: file), options: .atomic)
    }
}
