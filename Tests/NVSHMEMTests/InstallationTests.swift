import NVSHMEM
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What is found where, and what is said of what is missing.
@Suite struct InstallationTests {
    private static let header = """
        #define NVSHMEM_VENDOR_MAJOR_VERSION 3
        #define NVSHMEM_VENDOR_MINOR_VERSION 4
        #define NVSHMEM_VENDOR_PATCH_VERSION 5

        """

    private func write(_ folder: borrowing Folder, _ home: String) throws {
        try folder.write("\(home)/include/nvshmem.h")
        try folder.write("\(home)/include/non_abi/nvshmem_version.h", Self.header)
        try folder.write("\(home)/lib/libnvshmem_host.so.3")
        try folder.write("\(home)/lib/libnvshmem_device.a")
    }

    @Test func itIsFoundWhereTheEnvironmentNamesItAndInPythonsPackages() throws {
        let folder = try Folder()
        try write(folder, "own")
        try write(folder, "venv/lib/python3.9/site-packages/nvidia/nvshmem")
        try write(folder, "venv/lib/python3.12/site-packages/nvidia/nvshmem")
        let named = try NVSHMEMInstallation.find(SearchPaths(environment: ["NVSHMEM_HOME": "\(folder.path)/own"]))
        #expect(named.home == "\(folder.path)/own")
        #expect("\(named.version)" == "3.4.5")
        #expect(named.deviceLibrary == "\(folder.path)/own/lib/libnvshmem_device.a")
        let found = try NVSHMEMInstallation.find(SearchPaths(environment: ["VIRTUAL_ENV": "\(folder.path)/venv"]))
        #expect(found.home == "\(folder.path)/venv/lib/python3.12/site-packages/nvidia/nvshmem")
        // An interpreter in PATH tells of the packages beside it.
        try folder.write("venv/bin/python3", "#!/bin/sh\n")
        let mode = [FileAttributeKey.posixPermissions: 0o755]
        try FileManager.default.setAttributes(mode, ofItemAtPath: "\(folder.path)/venv/bin/python3")
        let beside = try NVSHMEMInstallation.find(SearchPaths(environment: ["PATH": "/none:\(folder.path)/venv/bin"]))
        #expect(beside.home == found.home)
        // One that runs this process says it.
        let packages = "\(folder.path)/venv/lib/python3.9/site-packages"
        let said = try NVSHMEMInstallation.find(
            SearchPaths(environment: ["SWIFTEP_SITE_PACKAGES": packages, "PATH": "\(folder.path)/venv/bin"]))
        #expect(said.home == "\(packages)/nvidia/nvshmem")
    }

    @Test func oneThatIsNamedIsNotReplacedByAnother() throws {
        let folder = try Folder()
        try write(folder, "other")
        let paths = SearchPaths(environment: [
            "SWIFTEP_NVSHMEM_HOME": "\(folder.path)/own", "NVSHMEM_HOME": "\(folder.path)/other",
        ])
        let error = #expect(throws: NVSHMEMError.self) { try NVSHMEMInstallation.find(paths) }
        #expect(error == .notFound(searched: ["\(folder.path)/own"]))
        #expect("\(error.map(String.init(describing:)) ?? "")".contains("SWIFTEP_NVSHMEM_HOME"))
    }

    @Test(arguments: ["include/nvshmem.h", "include/non_abi/nvshmem_version.h", "lib/libnvshmem_device.a"])
    func whatIsMissingIsNamed(_ part: String) throws {
        let folder = try Folder()
        try write(folder, "own")
        try FileManager.default.removeItem(atPath: "\(folder.path)/own/\(part)")
        let paths = SearchPaths(environment: ["SWIFTEP_NVSHMEM_HOME": "\(folder.path)/own"])
        let home = "\(folder.path)/own"
        let error = #expect(throws: NVSHMEMError.self) { try NVSHMEMInstallation.find(paths) }
        #expect(error == .incomplete(home: home, missing: "\(home)/\(part)"))
    }

    @Test func headersWithoutAVersionAreRefused() throws {
        let folder = try Folder()
        try write(folder, "own")
        try folder.write("own/include/non_abi/nvshmem_version.h", "#define NVSHMEM_VENDOR_MAJOR_VERSION 3\n")
        let paths = SearchPaths(environment: ["SWIFTEP_NVSHMEM_HOME": "\(folder.path)/own"])
        #expect(throws: NVSHMEMError.self) { try NVSHMEMInstallation.find(paths) }
    }

    @Test func aFileThatIsNoLibraryIsUnusable() throws {
        let folder = try Folder()
        try write(folder, "own")
        let installation = try NVSHMEMInstallation.find(
            SearchPaths(environment: ["SWIFTEP_NVSHMEM_HOME": "\(folder.path)/own"]))
        do {
            _ = try NVSHMEMLibrary(installation)
            Issue.record("an empty file was opened")
        } catch {
            guard case .unusable(installation.library, let reason) = error else { throw error }
            #expect(!reason.isEmpty)
        }
    }

    @Test func cudaWithoutAllHeadersIsPassedOver() throws {
        let folder = try Folder()
        let paths = SearchPaths(environment: ["SWIFTEP_CUDA_HOME": "\(folder.path)/cuda"])
        try folder.write("cuda/include/cuda_runtime.h")
        try folder.write("cuda/include/crt/host_defines.h")
        #expect(throws: NVSHMEMError.self) { try CUDAToolkit.find(paths) }
        try folder.write("cuda/include/cccl/cuda/std/cstdint")
        try folder.write("cuda/lib64/libnvrtc.so.13")
        let toolkit = try CUDAToolkit.find(paths)
        #expect(toolkit.headers == ["\(folder.path)/cuda/include", "\(folder.path)/cuda/include/cccl"])
        #expect(toolkit.compilers.first == "\(folder.path)/cuda/lib64/libnvrtc.so.13")
    }

    @Test func aCompilerThatIsMissingIsNamed() {
        let error = #expect(throws: NVSHMEMError.self) { try RuntimeCompiler(["/none/libnvrtc.so.13"]) }
        #expect(error == .noCompiler(missing: "NVRTC", searched: ["/none/libnvrtc.so.13"]))
        #expect(JITLinker(["/none/libnvJitLink.so.13"]) == nil)
    }
}
