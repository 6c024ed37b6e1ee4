/// The tools that compile code for the GPU: CUDA's headers, NVRTC, and the linker nvJitLink.
package struct CUDAToolkit: Hashable, Sendable {
    /// Directories of headers.
    package let headers: [String]
    /// Paths at which NVRTC is looked for, in order.
    package let compilers: [String]
    /// Paths at which nvJitLink is looked for, in order.
    package let linkers: [String]

    /// The variable of the environment that names a toolkit's directory.
    package static let variable = "SWIFTEP_CUDA_HOME"

    /// Finds a toolkit with all headers: where `SWIFTEP_CUDA_HOME` says, or else where `CUDA_HOME` or `CUDA_PATH` do,
    /// in `/usr/local/cuda`, or in Python's packages. Libraries may also be elsewhere.
    ///
    /// - Throws: `NVSHMEMError.noCompiler` when there are no headers.
    package static func find(_ paths: SearchPaths = SearchPaths()) throws(NVSHMEMError) -> CUDAToolkit {
        let found = paths.homes(
            variable: variable, others: ["CUDA_HOME", "CUDA_PATH"], package: "nvidia/cu13", usual: ["/usr/local/cuda"])
        // A toolkit is complete; Python's packages often lack some of the headers.
        let homes = found.filter { !$0.contains("-packages/") } + found.filter { $0.contains("-packages/") }
        for home in homes {
            let include = "\(home)/include"
            // Headers of CUDA's C++ library lie in a directory of their own from version 13 on.
            let libraries = ["\(include)/cccl", include].first { exists("\($0)/cuda/std/cstdint") }
            guard let libraries, exists("\(include)/cuda_runtime.h"), exists("\(include)/crt/host_defines.h") else {
                continue
            }
            let all = [home] + homes.filter { $0 != home }
            return CUDAToolkit(
                headers: libraries == include ? [include] : [include, libraries],
                compilers: Self.libraries("libnvrtc.so", in: all), linkers: Self.libraries("libnvJitLink.so", in: all))
        }
        throw .noCompiler(missing: "complete set of CUDA's headers", searched: homes)
    }

    private static func libraries(_ name: String, in homes: [String]) -> [String] {
        let names = ["\(name).13", "\(name).12", name]
        let here = homes.flatMap { home in
            ["lib64", "lib", "targets/x86_64-linux/lib", "targets/sbsa-linux/lib"].flatMap { folder in
                names.map { "\(home)/\(folder)/\($0)" }
            }
        }
        return here.filter(exists) + names
    }
}
