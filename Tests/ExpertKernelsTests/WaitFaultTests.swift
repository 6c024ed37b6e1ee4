import ExpertKernels
import Testing

/// What kernels record of a wait that passed its deadline is read as they mean it.
@Suite("Wait fault")
struct WaitFaultTests {
    /// Four ranks of two routed experts and a shared one.
    private static let shape = try? LayerShape(
        hidden: 256, intermediate: 128, experts: 8, topK: 2, ranks: 4, maxTokens: 4, sharedExperts: 1)

    private static func record(
        _ phase: StepPhase, kind: UInt64, number: UInt64, place: UInt64, source: UInt64
    ) -> [UInt64] {
        var record = [UInt64](repeating: 0, count: WaitFault.words)
        record[0...8] = [1, UInt64(phase.rawValue), kind, number, place, source, 7, 5, 1_000]
        return record
    }

    private static func text(
        _ phase: StepPhase, kind: UInt64, number: UInt64, place: UInt64 = 0, source: UInt64 = 0, shape: LayerShape?
    ) -> String? {
        WaitFault(
            record: record(phase, kind: kind, number: number, place: place, source: source), rank: 2, shape: shape
        ).map { "\($0)" }
    }

    @Test("Experts are named by their number in the layer")
    func expertsOfTheLayer() throws {
        let shape = try #require(Self.shape)
        // Of all ranks, each with its shared expert first: number 4 is the first routed expert of rank 1.
        #expect(
            Self.text(.dispatchSend, kind: 1, number: 4, source: 3, shape: shape)
                == "dispatch send of rank 2 waited for the number of rows that rank 3 sends to expert 2: "
                + "expected 7 and saw 5")
        // Of the waiting rank: local expert 1 is its first routed one, and 0 the shared one.
        #expect(
            Self.text(.dispatchReceive, kind: 2, number: 1, place: 9, source: 3, shape: shape)
                == "dispatch receive of rank 2 waited for row 9 of expert 4 from rank 3: expected 7 and saw 5")
        #expect(
            Self.text(.combineSend, kind: 3, number: 0, place: 1, shape: shape)
                == "combine send of rank 2 waited for row block 1 of expert 8 from the GEMM before it: "
                + "expected 7 and saw 5")
        // Of the layer.
        #expect(
            Self.text(.combineReceive, kind: 5, number: 6, place: 11, source: 1, shape: shape)
                == "combine receive of rank 2 waited for the result of expert 6 for token 11 from rank 1: "
                + "expected 7 and saw 5")
    }

    @Test("A GEMM without ranks keeps its numbers")
    func expertsOfAGEMM() {
        #expect(
            Self.text(.down, kind: 4, number: 3, place: 2, shape: nil)
                == "down of rank 2 waited for split sums of row block 2 of expert 3: expected 7 and saw 5")
    }

    @Test("The source is the rank that was to deliver")
    func sources() throws {
        for (kind, source) in [(1, 3), (2, 3), (3, 2), (4, 2), (5, 3), (6, 3), (7, 3)] as [(UInt64, Int)] {
            let record = Self.record(.rankBarrier, kind: kind, number: 1, place: 0, source: 3)
            #expect(try #require(WaitFault(record: record, rank: 2, shape: Self.shape)).source == source, "\(kind)")
        }
    }

    @Test("What is no record is none")
    func noRecord() {
        var record = Self.record(.down, kind: 3, number: 0, place: 0, source: 0)
        #expect(WaitFault(record: record, rank: 0) != nil)
        #expect(WaitFault(record: Array(record.dropLast()), rank: 0) == nil)
        #expect(WaitFault(record: [UInt64](repeating: 0, count: WaitFault.words), rank: 0) == nil)
        record[1] = 99
        #expect(WaitFault(record: record, rank: 0) == nil)
        record[1] = UInt64(StepPhase.down.rawValue)
        record[2] = 99
        #expect(WaitFault(record: record, rank: 0) == nil)
    }
}
