import ExpertKernels
import Testing

/// What benchmarks go round, so that nothing is read from the L2.
@Suite struct WeightSetsTests {
    private static let l2Bytes = 50 << 20
    private static let memoryBytes = 141_000_000_000

    private static func count(_ read: Int, allocated: Int? = nil) -> Int {
        WeightSets.count(read: read, allocated: allocated ?? read, l2Bytes: l2Bytes, memoryBytes: memoryBytes)
    }

    /// Experts of DeepSeek-V3 on a rank.
    @Test(arguments: [(16, 2), (8, 2), (4, 2), (2, 3), (1, 5)])
    func setsOfFewExperts(_ experts: Int, _ sets: Int) {
        #expect(Self.count(experts * 3 * 2048 * 7168) == sets)
    }

    /// Between two uses of the same weights as much of others is read as three times the L2, and never with one set
    /// less.
    @Test func exceedsThreeTimesTheL2() {
        for read in stride(from: 3 << 20, through: 400 << 20, by: 1_234_567) {
            let sets = Self.count(read)
            #expect((sets - 1) * read >= 3 * Self.l2Bytes, "\(read)")
            #expect(sets == 2 || (sets - 2) * read < 3 * Self.l2Bytes, "\(read)")
        }
    }

    @Test func bounds() {
        #expect(Self.count(1) == WeightSets.most)
        #expect(Self.count(0) == WeightSets.most)
        #expect(WeightSets.count(read: 1 << 20, allocated: 1 << 20, l2Bytes: 0, memoryBytes: 1 << 30) == 2)
        // A set that is large enough by itself, and of which two do not fit.
        #expect(Self.count(80_000_000_000) == 1)
        #expect(Self.count(44 << 20, allocated: 80_000_000_000) == 5)
    }

    @Test func replaysGoRoundAllSets() {
        for sets in 1...WeightSets.most {
            let launches = WeightSets.launches(20, sets: sets)
            #expect(launches >= 20 && launches % sets == 0 && launches < 20 + sets, "\(sets)")
        }
    }
}
