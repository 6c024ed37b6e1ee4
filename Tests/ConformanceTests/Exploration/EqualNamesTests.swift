import Accelerator
import Conformance
import ExpertKernels
import KernelLanguage
import Testing

/// Kernels may have one name and different bodies: nothing takes one for the other.
@Suite struct EqualNamesTests {
    private static let threads = 64

    /// Stores thread numbers, behind barriers that it does not need.
    private static func careful() throws -> Kernel {
        try KernelBuilder.build("twin", threads: threads) { k in
            let output = k.pointerParameter("output", to: UInt32.self)
            for _ in 0..<16 { k.syncThreads() }
            k.store(k.threadIndex, to: output + k.threadIndex)
        }
    }

    /// Stores thread numbers backwards, through shared memory and past a barrier that it needs.
    private static func exchanging() throws -> Kernel {
        try KernelBuilder.build("twin", threads: threads) { k in
            let output = k.pointerParameter("output", to: UInt32.self)
            let words = k.shared(UInt32.self, count: threads)
            k.store(k.threadIndex, to: words + k.threadIndex)
            k.syncThreads()
            let other = k.constant(UInt32(threads - 1)) - k.threadIndex
            k.store(k.load(words + other), to: output + k.threadIndex)
        }
    }

    private static let workload = Workload("twins", multiprocessors: 1) { device in
        let stream = try device.makeStream(label: "main")
        return try [careful(), exchanging()].map { kernel in
            let output = try device.makeBuffer([UInt32](repeating: 0, count: threads), label: "output")
            let loaded = try device.load(kernel)
            try device.launch(
                loaded, blocks: 1, arguments: [.address(output.address)], dependentLaunch: false, on: stream)
            try device.synchronize(stream)
            return try device.read(UInt32.self, count: threads, from: output).map(UInt16.init)
        }
    }

    @Test func aDeviceRemembersBoth() throws {
        let (outputs, kernels, _) = try Self.workload.plain()
        #expect(outputs == [(0..<64).map { $0 }, (0..<64).reversed()])
        #expect(try Set(kernels) == [Self.careful(), Self.exchanging()])
    }

    /// What is left out of one kernel is not left out of the other, where its number is another operation's.
    @Test func aMutationSurveyMutatesOne() throws {
        let findings = try MutationSurvey(workloads: [Self.workload]).run()
        let barriers = findings.filter { $0.mutation.operation == "barrier 0 sync" }
        try #require(barriers.count == 2 && findings.count == 2, "\(findings.map(\.mutation))")
        #expect(barriers[0].failure == nil, "barriers that are not needed")
        #expect(barriers[1].failure != nil, "the barrier that is needed")
    }

    @Test func aCatalogueHasBoth() throws {
        let (careful, exchanging) = try (Self.careful(), Self.exchanging())
        #expect(KernelCatalogue([careful, exchanging, careful]).kernels == [careful, exchanging])
    }
}
