import KernelLanguage
import Testing

/// Arguments find their parameters by name and type, never by position.
@Suite struct KernelArgumentsTests {
    private struct Common: KernelParameters {
        var words: MemoryParameter<UInt32>
        var factor: ScalarParameter<Float>
    }

    private struct Parameters: KernelParameters {
        var count: ScalarParameter<UInt32>
        var common: Common
    }

    private struct Repeating: KernelParameters {
        var factor: ScalarParameter<Float>
    }

    private struct OtherType: KernelParameters {
        var count: ScalarParameter<Int32>
    }

    private static let common = Common(words: MemoryParameter(address: 4096), factor: ScalarParameter(1.5))
    private static let parameters = Parameters(count: ScalarParameter(7), common: common)

    /// Declares the nested pack and a parameter of its own, in another order than the host has them.
    private func kernel() throws -> Kernel {
        try KernelBuilder.build("subject", threads: 32) { k in
            let common = k.parameters(Common.self)
            let count = k.parameter("count", UInt32.self)
            k.if(k.threadIndex < count) { k.store(k.threadIndex, to: common.words + k.threadIndex) }
        }
    }

    @Test func argumentsComeInTheKernelsOrder() throws {
        let arguments = try KernelArguments([nil, Self.parameters]).ordered(for: kernel())
        #expect(arguments == [.address(4096), .float32(1.5), .uint32(7)])
    }

    @Test func whatDoesNotFitIsNamed() throws {
        let kernel = try kernel()
        func expect(_ packs: [(any KernelParameters)?], _ error: KernelArgumentError, _ words: String) {
            #expect(throws: error) { try KernelArguments(packs).ordered(for: kernel) }
            #expect("\(error)".contains(words), "\(error)")
        }
        expect([Self.common], .missing(kernel: "subject", name: "count"), "has a parameter count and no argument")
        expect(
            [Self.parameters, Repeating(factor: ScalarParameter(2))], .repeated(kernel: "subject", name: "factor"),
            "two arguments for kernel subject have the name factor")
        expect(
            [Self.common, OtherType(count: ScalarParameter(-1))],
            .kind(
                kernel: "subject", name: "count", expected: "scalar(KernelLanguage.ScalarType.uint32)",
                given: "scalar(KernelLanguage.ScalarType.int32)"),
            "parameter count of kernel subject")
        let bare = try KernelBuilder.build("bare", threads: 32) { $0.exit() }
        #expect(throws: KernelArgumentError.unknown(kernel: "bare", name: "factor")) {
            try KernelArguments([Repeating(factor: ScalarParameter(2))]).ordered(for: bare)
        }
    }

    @Test func launchesChangeArgumentsByName() throws {
        let arguments = try LaunchArguments([Self.parameters], for: kernel())
        #expect(try arguments.changing([]) == arguments.ordered)
        #expect(
            try arguments.changing([("count", .uint32(0)), ("words", .address(8192))])
                == [.address(8192), .float32(1.5), .uint32(0)])
        #expect(arguments.ordered == [.address(4096), .float32(1.5), .uint32(7)], "a change stays with its launch")
        #expect(throws: KernelArgumentError.unknown(kernel: "subject", name: "counts")) {
            try arguments.changing([("counts", .uint32(0))])
        }
    }
}
