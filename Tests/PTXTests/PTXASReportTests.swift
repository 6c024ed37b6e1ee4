import PTX
import Testing

/// Reading what `ptxas -v` prints, on lines that version 13.0 printed.
@Suite struct PTXASReportTests {
    static let output = """
        ptxas module.ptx, line 9; warning : something is odd
        ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized in function 'gemm'
        ptxas info    : 0 bytes gmem
        ptxas info    : Compiling entry function 'gemm' for 'sm_90a'
        ptxas info    : Function properties for gemm
            16 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads
        ptxas info    : Used 168 registers, used 3 barriers, 16 bytes cumulative stack size, 1024 bytes smem
        ptxas info    : Compile time = 39.092 ms
        ptxas info    : Compiling entry function 'warning_of_nothing' for 'sm_90a'
        ptxas info    : Function properties for warning_of_nothing
            0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
        ptxas info    : Used 8 registers, used 0 barriers
        """

    @Test func readsEachKernel() throws {
        let report = PTXASReport(parsing: Self.output)
        #expect(report.kernels.map(\.name) == ["gemm", "warning_of_nothing"])
        let gemm = try #require(report.usage(of: "gemm"))
        #expect(gemm.registers == 168)
        #expect(gemm.barriers == 3)
        #expect(gemm.stackBytes == 16)
        #expect(gemm.spillStoreBytes == 8)
        #expect(gemm.spillLoadBytes == 12)
        #expect(gemm.sharedBytes == 1024)
        #expect(report.usage(of: "warning_of_nothing")?.registers == 8)
        #expect(report.usage(of: "absent") == nil)
    }

    @Test func readsWarnings() {
        let warnings = PTXASReport(parsing: Self.output).warnings
        #expect(warnings.count == 2)
        #expect(warnings.first == "something is odd")
        #expect(warnings.last?.hasPrefix("(C7510) Potential Performance Loss") == true)
    }

    @Test func emptyAndForeignOutput() {
        for output in ["", "\n\n", "no such thing, 12 bytes spill stores", "Compiling entry function"] {
            let report = PTXASReport(parsing: output)
            #expect(report.kernels.isEmpty && report.warnings.isEmpty)
        }
    }
}
