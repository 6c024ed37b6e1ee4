import KernelLanguage
import PTX
import Testing

/// What the assembler says when something is wrong.
@Suite struct AssemblerTests {
    @Test(.needsAssembler) func rejectedTextNamesTheLine() {
        let text = ".version 8.3\n.target sm_90a\n.address_size 64\nnonsense\n"
        let error = #expect(throws: AssemblerError.self) { try Tool.assemble(text) }
        guard case .rejected(let messages, let excerpt) = error else {
            Issue.record("expected a rejection, got \(String(describing: error))")
            return
        }
        #expect(messages.contains("line 4"))
        #expect(excerpt == "nonsense")
    }

    @Test(.needsAssembler) func forbiddenOperationsAreRejected() {
        var raw = RawKernel("forbidden")
        let result = raw.register(.bfloat16)
        let source = raw.value(.float8E4M3)
        raw.emit(.convert(result, from: .float8E4M3, source))
        raw.use(result)
        #expect(throws: VerificationError.self) { try raw.kernel.verify() }
        #expect(throws: AssemblerError.self) { try Tool.assemble(raw.kernel.ptx()) }
    }

    @Test func missingToolIsNamed() {
        let error = #expect(throws: AssemblerError.self) { try Assembler(path: "/nowhere/ptxas").assemble("") }
        #expect(error?.description.contains("/nowhere/ptxas") == true)
        let searched = AssemblerError.notFound(searched: ["/a/ptxas"]).description
        #expect(searched.contains("/a/ptxas") && searched.contains("SWIFTEP_PTXAS"))
    }
}
