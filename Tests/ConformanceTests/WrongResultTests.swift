import Accelerator
import Conformance
import KernelLanguage
import Simulator
import Testing

/// Conformance cases can fail, and say where.
@Suite struct WrongResultTests {
    private static let cases = ConformanceSuite.cases(for: .simulator)

    /// The same kernel with additions in the place of subtractions, which no address needs.
    private static func adding(_ kernel: Kernel) -> Kernel {
        func changed(_ block: Block) -> Block {
            var block = block
            for index in block.instructions.indices {
                switch block.instructions[index].op {
                case .binary(.subtract, let result, let left, let right):
                    block.instructions[index].op = .binary(.add, result, left, right)
                case .if(let condition, let then, let otherwise):
                    block.instructions[index].op = .if(condition, then: changed(then), else: changed(otherwise))
                default: break
                }
            }
            return block
        }
        var kernel = kernel
        kernel.body = changed(kernel.body)
        return kernel
    }

    private static func failure(of name: String, rewriting: @escaping @Sendable (Kernel) -> Kernel) throws -> String {
        let conformanceCase = try #require(cases.first { $0.name == name }, "no case \(name)")
        let device = SimulatedDevice(
            configuration: SimulatorConfiguration(multiprocessors: 4, seed: 1), rewriting: rewriting)
        let error = try #require(throws: ConformanceFailure.self) { try conformanceCase.run(on: device) }
        return "\(error)"
    }

    @Test func aDeviceThatComputesSomethingElseFails() throws {
        let text = try Self.failure(of: "operation subtract UInt32", rewriting: Self.adding)
        #expect(text.hasPrefix("operands 0x"), "\(text)")
        #expect(text.contains(", expected 0x"), "\(text)")
    }

    @Test func namesAreUniqueOnEveryDevice() {
        for kind in [DeviceProperties.Kind.simulator, .cuda] {
            let names = ConformanceSuite.cases(for: kind).map(\.name)
            #expect(Set(names).count == names.count, "\(kind)")
        }
    }

    /// What only one kind of device runs is known by name: full sizes on a GPU, the simulated network on the simulator.
    @Test func bothDevicesRunTheSameCases() {
        let simulated = Set(Self.cases.map(\.name))
        let cuda = Set(ConformanceSuite.cases(for: .cuda).map(\.name))
        #expect(simulated.intersection(cuda).count > 200, "\(simulated.intersection(cuda).count)")
        let alone = simulated.subtracting(cuda)
        #expect(alone.allSatisfy { $0.contains("network") }, "\(alone.filter { !$0.contains("network") })")
    }
}
