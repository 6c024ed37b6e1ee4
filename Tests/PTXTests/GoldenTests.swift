import KernelLanguage
import PTX
import TestSupport
import Testing

/// Whole kernels as text: a change in what is printed shows up in review as a change of these files.
@Suite struct GoldenTests {
    @Test func kernelsPrintAsRecorded() throws {
        for kernel in try GoldenKernels.all() {
            // Without line comments, which move with the tests' own source.
            expectGolden(kernel.ptx(locations: false), named: "\(kernel.name).ptx")
        }
    }

    @Test(.needsAssembler) func kernelsAssemble() throws {
        let kernels = try GoldenKernels.all()
        let report = try Tool.assemble(PTXModule(kernels).text)
        #expect(report.warnings == [])
        #expect(report.kernels.count == kernels.count)
        #expect(report.kernels.allSatisfy { $0.spillStoreBytes == 0 })
    }
}
