// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "SwiftEP",
    platforms: [.macOS(.v15)],
    products: [
        .library(
            name: "ExpertParallel", targets: ["ExpertParallel", "Transport", "ExpertKernels", "Accelerator"]),
        .library(name: "KernelLanguage", targets: ["KernelLanguage", "PTX", "Simulator"]),
        .library(name: "SwiftEPABI", type: .dynamic, targets: ["SwiftEPABI"]),
        .executable(name: "swiftep", targets: ["swiftep"]),
    ],
    targets: [
        // Each floor of the house imports only floors below it.
        .target(name: "KernelLanguage"),
        .target(name: "TemporaryFiles"),
        .target(name: "PTX", dependencies: ["KernelLanguage", "TemporaryFiles"]),
        .target(name: "Simulator", dependencies: ["KernelLanguage"]),
        .target(name: "CUDADriver"),
        .target(name: "NVSHMEM", dependencies: ["CUDADriver"]),
        .target(name: "Accelerator", dependencies: ["KernelLanguage", "PTX", "Simulator", "CUDADriver"]),
        .target(name: "ExpertKernels", dependencies: ["KernelLanguage"]),
        .target(name: "Transport", dependencies: ["Accelerator", "CUDADriver", "NVSHMEM"]),
        .target(
            name: "ExpertParallel",
            dependencies: ["KernelLanguage", "Accelerator", "ExpertKernels", "Transport", "TemporaryFiles"]),
        // The C interface, as its callers have it.
        .target(name: "CSwiftEP"),
        .target(
            name: "SwiftEPABI",
            dependencies: [
                "CSwiftEP", "KernelLanguage", "Accelerator", "ExpertKernels", "NVSHMEM", "Transport", "ExpertParallel",
            ]),
        .target(
            name: "Conformance",
            dependencies: [
                "KernelLanguage", "Simulator", "Accelerator", "ExpertKernels", "Transport", "ExpertParallel",
            ]),
        // Tests of memory models that others write.
        .target(name: "Litmus", dependencies: ["KernelLanguage", "Simulator"]),
        .executableTarget(
            name: "swiftep",
            dependencies: [
                "KernelLanguage", "PTX", "Simulator", "Litmus", "CUDADriver", "Accelerator", "ExpertKernels",
                "Transport", "NVSHMEM",
                "ExpertParallel", "Conformance", "TemporaryFiles",
            ]),
        .target(name: "TestSupport", path: "Tests/TestSupport"),
        .testTarget(name: "KernelLanguageTests", dependencies: ["KernelLanguage", "TestSupport"]),
        .testTarget(
            name: "PTXTests", dependencies: ["KernelLanguage", "PTX", "ExpertKernels", "TestSupport"],
            exclude: ["Golden"]),
        .testTarget(name: "SimulatorTests", dependencies: ["KernelLanguage", "Simulator"]),
        .testTarget(name: "LitmusTests", dependencies: ["KernelLanguage", "Simulator", "Litmus"]),
        .testTarget(
            name: "TransportTests", dependencies: ["Simulator", "Accelerator", "NVSHMEM", "Transport", "TestSupport"]),
        .testTarget(name: "CUDADriverTests", dependencies: ["CUDADriver"]),
        .testTarget(
            name: "NVSHMEMTests", dependencies: ["KernelLanguage", "PTX", "ExpertKernels", "CUDADriver", "NVSHMEM"]),
        .testTarget(
            name: "AcceleratorTests",
            dependencies: ["KernelLanguage", "Simulator", "CUDADriver", "Accelerator", "ExpertKernels"]),
        .testTarget(name: "ExpertKernelsTests", dependencies: ["KernelLanguage", "ExpertKernels"]),
        .testTarget(
            name: "ExpertParallelTests",
            dependencies: [
                "KernelLanguage", "Accelerator", "Simulator", "ExpertKernels", "Transport", "ExpertParallel",
                "Conformance",
                "TestSupport",
            ],
            exclude: ["Fixtures"]),
        .testTarget(
            name: "ConformanceTests",
            dependencies: [
                "KernelLanguage", "Simulator", "Accelerator", "ExpertKernels", "ExpertParallel", "Conformance",
            ]),
        .testTarget(name: "CommandLineTests", dependencies: ["swiftep", "TestSupport"], exclude: ["Golden"]),
    ],
    swiftLanguageModes: [.v6]
)

// For CI. Not always: a package with flags of its own is no dependency of others.
if Context.environment["SWIFTEP_WARN_SLOW_EXPRESSIONS"] == "1" {
    for target in package.targets where target.type != .test {
        target.swiftSettings = [.unsafeFlags(["-Xfrontend", "-warn-long-expression-type-checking=1500"])]
    }
}
