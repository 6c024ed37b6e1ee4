import Accelerator
import Conformance
import Testing

/// The cases that every device passes, on the simulator. `swiftep verify --device cuda` runs the same ones on a GPU.
@Suite struct ConformanceTests {
    @Test(arguments: ConformanceSuite.cases(for: .simulator))
    func passesOnTheSimulator(_ conformanceCase: ConformanceCase) throws {
        try conformanceCase.run(on: SimulatedDevice(seed: 1))
    }

    /// Other seeds are other interleavings of all warps and other moments at which asynchronous work completes.
    @Test(arguments: 2..<26 as Range<UInt64>)
    func protocolsHoldUnderOtherSchedules(_ seed: UInt64) throws {
        let chosen = [
            "layer hidden=256 intermediate=128 experts=8 topK=2 tokens=[5, 2] pattern=random shared=128",
            "replay with changing inputs, singleBatch", "replay with changing inputs, twoBatch",
            "replay with changing inputs, direct",
            "dispatch and combine float8 tokens=[3, 7, 1, 6]",
        ]
        let cases = ConformanceSuite.cases(for: .simulator).filter { chosen.contains($0.name) }
        try #require(cases.count == chosen.count, "a case was renamed")
        for conformanceCase in cases { try conformanceCase.run(on: SimulatedDevice(seed: seed)) }
    }

    @Test func namesAreUnique() {
        let names = ConformanceSuite.cases(for: .cuda).map(\.name)
        #expect(Set(names).count == names.count)
    }
}
