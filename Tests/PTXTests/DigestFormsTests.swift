import KernelLanguage
import Testing

@Suite struct DigestFormsTests {
    /// Whatever two forms of operations differ in, their digests do too.
    @Test func formsHaveDigestsOfTheirOwn() {
        var digests: [KernelDigest: Kernel] = [:]
        for kernel in AssemblyTests.families.flatMap(\.kernels) {
            var bare = kernel
            bare.name = "form"
            bare.body = bare.body.withoutLines
            if let other = digests.updateValue(bare, forKey: bare.digest) {
                #expect(other == bare, "\(kernel.name) has the digest of another kernel")
            }
        }
        #expect(digests.count > 1000)
    }
}

extension Block {
    /// The same operations, all from one line.
    fileprivate var withoutLines: Block {
        Block(
            instructions.map { instruction in
                let op: Op =
                    switch instruction.op {
                    case .if(let condition, let then, let otherwise):
                        .if(condition, then: then.withoutLines, else: otherwise.withoutLines)
                    case .loop(let body): .loop(body.withoutLines)
                    default: instruction.op
                    }
                return Instruction(op, at: SourceLocation(file: "", line: 0))
            })
    }
}
