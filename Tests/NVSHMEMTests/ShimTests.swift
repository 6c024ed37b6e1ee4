import ExpertKernels
import KernelLanguage
import NVSHMEM
import PTX
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The functions that kernels call, built with a real NVRTC and NVSHMEM, without a GPU.
@Suite struct ShimTests {
    private static let built = Result {
        try NVSHMEMShim(NVSHMEMInstallation.find(), CUDAToolkit.find(), cache: nil)
    }

    @Test(.needsNVSHMEM) func definesWhatKernelsCall() throws {
        let text = try Self.built.get().ptx
        for function in NetworkFunction.allCases where function != .putSet {
            #expect(text.contains(".visible .func") && text.contains(" \(function.name)("), "\(function.name)")
        }
        // What is put has been written by kernels before, so that loads past the cache's coherence may not read it.
        #expect(text.contains("ld.v4.u32") && !text.contains(".nc.v"))
    }

    /// Every kernel of a layer that puts something becomes a whole program, in which NVSHMEM finds its state.
    @Test(.needsNVSHMEM) func kernelsAreJoinedToPrograms() throws {
        let shape = try LayerShape(
            hidden: 7168, intermediate: 2048, experts: 32, topK: 8, ranks: 2, maxTokens: 128, sharedExperts: 1)
        let kernels = try KernelCatalogue(shape, network: .engine).kernels.filter(\.needsNetwork)
        #expect(kernels.contains { $0.name.hasPrefix("gemm") } && kernels.contains { $0.name.hasPrefix("dispatch") })
        for kernel in kernels {
            let program = try Self.built.get().link(kernel.ptx(), name: kernel.name)
            #expect(program.prefix(4) == [0x7F, 0x45, 0x4C, 0x46], "\(kernel.name) is an ELF file")
            let text = String(decoding: program, as: UTF8.self)
            for symbol in [kernel.name, "nvshmemi_device_state_d", "nvshmemi_device_lib_version_d"] {
                #expect(text.contains("\(symbol)\0"), "\(kernel.name) lacks \(symbol)")
            }
        }
    }

    @Test(.needsNVSHMEM) func whatLinkersSayIsInTheError() throws {
        let text = """
            .version 8.3
            .target sm_90a
            .address_size 64
            .extern .func nothing_has_this ();
            .visible .entry lonely() { call nothing_has_this; ret; }

            """
        let error = #expect(throws: NVSHMEMError.self) { try Self.built.get().link(text, name: "lonely") }
        #expect(error?.description.contains("nothing_has_this") == true, "\(String(describing: error))")
        #expect(error?.description.contains("lonely") == true)
    }

    @Test(.needsNVSHMEM) func whatTheCompilerSaysIsInTheError() throws {
        let compiler = try RuntimeCompiler(CUDAToolkit.find().compilers)
        let error = #expect(throws: NVSHMEMError.self) { try compiler.compile("no_type x;", options: []) }
        #expect(error?.description.contains("no_type") == true, "\(String(describing: error))")
    }

    /// A result on disk is used, one that was not written whole is not.
    @Test(.needsNVSHMEM) func resultsAreKept() throws {
        let folder = try Folder()
        let (installation, toolkit) = (try NVSHMEMInstallation.find(), try CUDAToolkit.find())
        let first = try NVSHMEMShim(installation, toolkit, cache: folder.path)
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(files.count == 1 && files[0].contains("\(installation.version)"), "\(files)")
        let text = first.ptx
        try folder.write(files[0], "// kept\n" + text)
        #expect(try NVSHMEMShim(installation, toolkit, cache: folder.path).ptx == "// kept\n" + text)
        try folder.write(files[0], String(text.prefix(text.count / 2)))
        #expect(try NVSHMEMShim(installation, toolkit, cache: folder.path).ptx == text)
    }
}
