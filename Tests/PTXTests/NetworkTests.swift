import KernelLanguage
import PTX
import TestSupport
import Testing

/// Network operations as calls.
@Suite struct NetworkTests {
    /// Every operation, by lanes of their own, behind a branch.
    private static func kernel() throws -> Kernel {
        try KernelBuilder.build("post", threads: 32) { k in
            let context = k.parameter("network_context", UInt64.self)
            let source = k.pointerParameter("source", to: UInt32.self)
            let peers = k.pointerParameter("peers", to: UInt64.self)
            let path = NetworkPath(context: context, peer: k.lane, channel: k.lane & 3)
            k.if(k.lane < 8) {
                let window = Pointer<UInt64>(bits: k.load(peers + k.lane))
                let bytes = k.constant(UInt32(512))
                k.networkPut(source, to: window + 16, bytes: bytes, over: path)
                k.networkPut(source, to: window + 80, bytes: bytes, over: path, adding: (k.constant(UInt64(1)), window))
                k.networkAdd(k.constant(3), to: window + 1, over: path)
                k.networkPut(word: k.lane.wide, to: window + 2, over: path)
                k.loop { k.breakIf(k.networkFlush(path)) }
            }
        }
    }

    @Test func kernelPrintsAsRecorded() throws {
        expectGolden(try Self.kernel().ptx(locations: .none), named: "post.ptx")
    }

    /// An assembler takes it as part of a program, and the program as a whole lacks an adapter.
    @Test(.needsAssembler) func needsToBeJoinedWithAnAdapter() throws {
        let text = try Self.kernel().ptx()
        let report = try Tool.assemble(text, relocatable: true)
        #expect(report.warnings == [])
        #expect(report.usage(of: "post")?.spillStoreBytes == 0)
        #expect(throws: AssemblerError.self) { try Tool.assemble(text) }
    }

    @Test func functionsAreDeclaredWhereTheyAreCalled() throws {
        let kernel = try Self.kernel()
        #expect(kernel.needsNetwork)
        #expect(kernel.networkFunctions == Set(NetworkFunction.allCases).subtracting([.putSet]))
        let plain = try GoldenKernels.scale()
        #expect(!plain.needsNetwork)
        #expect(!plain.ptx().contains("swiftep_network"))
        let both = PTXModule([plain, kernel]).text
        for function in NetworkFunction.allCases {
            let declarations = both.components(separatedBy: ".extern .func").dropFirst().filter {
                $0.contains("\(function.name) (")
            }
            #expect(declarations.count == (function == .putSet ? 0 : 1), "\(function.name)")
        }
    }
}

extension String {
    fileprivate func components(separatedBy separator: String) -> [Substring] { split(separator: separator) }
}
