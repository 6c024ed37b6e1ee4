import KernelLanguage
import PTX
import Testing

/// Everything that the language allows must assemble for `sm_90a`, without warnings.
@Suite struct AssemblyTests {
    static let families = [
        Forms.arithmetic(), .conversions(), .inputs(), .memory(), .atomics(), .barriers(), .copies(), .multiplies(),
        .control(), .network(),
    ]

    @Test(.needsAssembler, arguments: families) func assembles(_ forms: Forms) throws {
        let relocatable = forms.kernels.contains(where: \.needsNetwork)
        let report = try Tool.assemble(PTXModule(forms.kernels).text, relocatable: relocatable)
        #expect(report.warnings == [])
        #expect(report.kernels.map(\.name).sorted() == forms.kernels.map(\.name).sorted())
        #expect(report.kernels.filter { $0.spillStoreBytes > 0 || $0.registers == 0 }.map(\.name) == [])
    }

    /// The verifier decides which forms are tested; this sees that it lets every operation through.
    @Test func formsCoverEveryOperation() {
        let ops = Self.families.flatMap(\.kernels).flatMap(\.body.ops)
        #expect(Set(ops.map(\.number)) == Set(0..<Op.cases))
        var unary: Set<UnaryOperation> = []
        var binary: Set<BinaryOperation> = []
        var atomic: Set<AtomicOperation> = []
        var elements: Set<ScalarType> = []
        for op in ops {
            switch op {
            case .unary(let operation, _, _): unary.insert(operation)
            case .binary(let operation, _, _, _): binary.insert(operation)
            case .atomic(let operation, _, _, _, _, _): atomic.insert(operation)
            case .store(let access, _, _): elements.insert(access.element)
            default: break
            }
        }
        #expect(unary == Set(UnaryOperation.allCases))
        #expect(binary == Set(BinaryOperation.allCases))
        #expect(atomic == Set(AtomicOperation.allCases))
        #expect(elements == Set(ScalarType.allCases.filter { $0 != .bool }))
    }

    /// The main loop of an FP8 GEMM: partial sums leave the tensor core and are scaled and added outside.
    @Test(.needsAssembler) func promotionLoopKeepsMultipliesAsynchronous() throws {
        let kernel = try GoldenKernels.promote()
        let report = try Tool.assemble(kernel.ptx())
        #expect(report.warnings == [])
        #expect(report.usage(of: kernel.name)?.spillStoreBytes == 0)
    }

    /// Touching accumulators before the wait makes the assembler insert another one; that must not go unseen.
    @Test(.needsAssembler) func addedWaitsAreWarnedOf() throws {
        var raw = RawKernel("early")
        raw.multiply(.bfloat16, 64, fromRegisters: false, accumulate: 1, waits: false)
        let report = try Tool.assemble(raw.kernel.ptx())
        #expect(report.warnings.contains { $0.contains("GMMA") }, "\(report.warnings)")
    }
}

extension Forms: CustomTestStringConvertible {
    var testDescription: String { "\(family), \(kernels.count) kernels" }
}
