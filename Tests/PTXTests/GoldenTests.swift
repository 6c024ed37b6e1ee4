import KernelLanguage
import PTX
import TestSupport
import Testing

/// Whole kernels as text: a change in what is printed shows up in review as a change of these files.
@Suite struct GoldenTests {
    @Test func kernelsPrintAsRecorded() throws {
        for kernel in try GoldenKernels.all() {
            // Without line comments, which move with the tests' own source.
            expectGolden(kernel.ptx(locations: .none), named: "\(kernel.name).ptx")
        }
    }

    @Test(.needsAssembler) func kernelsAssemble() throws {
        let kernels = try GoldenKernels.all()
        let report = try Tool.assemble(PTXModule(kernels).text)
        #expect(report.warnings == [])
        #expect(report.kernels.count == kernels.count)
        #expect(report.kernels.allSatisfy { $0.spillStoreBytes == 0 })
    }

    /// Lines cost nothing: the instructions of each kernel are the same bytes.
    @Test(.needsAssembler) func linesChangeNoInstruction() throws {
        let kernels = try GoldenKernels.all()
        let plain = try Tool.sections(PTXModule(kernels, locations: .none).text, lines: false)
        let lined = try Tool.sections(PTXModule(kernels, locations: .directives).text, lines: true)
        for kernel in kernels {
            let code = try #require(plain[".text.\(kernel.name)"])
            #expect(!code.isEmpty)
            #expect(lined[".text.\(kernel.name)"] == code, "\(kernel.name)")
        }
        #expect(plain[".debug_line"] == nil)
        let table = try #require(lined[".debug_line"])
        #expect(String(decoding: table, as: UTF8.self).contains("GoldenKernels.swift"))
    }
}
