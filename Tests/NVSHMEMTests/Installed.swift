import NVSHMEM
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The NVSHMEM that the environment names, and what to build with.
enum Installed {
    static var isNamed: Bool { ProcessInfo.processInfo.environment[NVSHMEMInstallation.variable] != nil }
}

extension Trait where Self == ConditionTrait {
    /// Skips the test where no NVSHMEM is named.
    static var needsNVSHMEM: Self {
        .enabled(
            if: Installed.isNamed,
            "no SWIFTEP_NVSHMEM_HOME; pip download --no-deps nvidia-nvshmem-cu13 nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cuda-cccl nvidia-cuda-crt nvidia-nvjitlink brings one and a SWIFTEP_CUDA_HOME"
        )
    }
}

/// A directory for a test.
struct Folder: ~Copyable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "swiftep-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file, in folders that are made.
    func write(_ name: String, _ text: String = "") throws {
        let file = URL(fileURLWithPath: "\(path)/\(name)")
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
    }
}
