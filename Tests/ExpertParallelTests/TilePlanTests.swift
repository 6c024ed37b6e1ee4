import ExpertKernels
import Testing

/// Which blocks work on which tiles, by what the memory gives and what runs before.
@Suite("Tile plan")
struct TilePlanTests {
    private static let h100 = 3_352_320_000_000
    private static let h200 = 4_916_736_000_000

    /// Gate and up, or down, of 16 experts of DeepSeek-V3 with as many rows each.
    private static func plan(
        n: Int = 4096, k: Int = 7168, experts: Int = 16, rows: Int, dependent: Bool = false,
        behindShortKernel: Bool = false, memory: Int? = nil, grid: Int
    ) -> String {
        var configuration = GEMMConfiguration(
            n: n, k: k, experts: experts, maxRows: rows, scaleRows: GEMMConfiguration.scaleRows(rows),
            blockM: GEMMConfiguration.blockM(holding: rows), dependent: dependent)
        configuration.behindShortKernel = behindShortKernel
        configuration.memoryBytesPerSecond = memory
        return TilePlan(configuration, counts: [Int](repeating: rows, count: experts), gridSize: grid).description
    }

    @Test("By itself a GEMM cuts tiles only where the memory is too fast for few blocks")
    func memory() {
        let even = "256 tiles on 86 of 124 blocks: 2 or 3 each"
        func cut(_ tiles: Int) -> String { "256 tiles on 124 of 124 blocks: \(tiles) of them cut along K" }
        #expect(Self.plan(rows: 16, memory: Self.h100, grid: 124) == even)
        #expect(Self.plan(rows: 64, memory: Self.h100, grid: 124) == even)
        #expect(Self.plan(rows: 128, memory: Self.h100, grid: 124) == even)
        for memory in [Self.h200, nil] {
            #expect(Self.plan(rows: 16, memory: memory, grid: 124) == cut(8 * 16))
            #expect(Self.plan(rows: 64, memory: memory, grid: 124) == even)
            // Groups of 7 blocks, and not of 15.
            #expect(Self.plan(rows: 128, memory: memory, grid: 124) == cut(8 * 8))
        }
    }

    @Test("Behind a short kernel tiles of a long K are cut only where there is one whole wave", arguments: [16, 64])
    func waves(rows: Int) {
        func plan(experts: Int, grid: Int) -> String {
            Self.plan(experts: experts, rows: rows, dependent: true, behindShortKernel: true, grid: grid)
        }
        #expect(plan(experts: 17, grid: 132) == "272 tiles on 91 of 132 blocks: 2 or 3 each")
        #expect(plan(experts: 9, grid: 66) == "144 tiles on 48 of 66 blocks: 3 each")
        #expect(plan(experts: 12, grid: 132) == "192 tiles on 96 of 132 blocks: 2 each")
        #expect(plan(experts: 9, grid: 132) == "144 tiles on 132 of 132 blocks: 144 of them cut along K")
        let behindGEMM = Self.plan(experts: 17, rows: rows, dependent: true, grid: 132)
        #expect(behindGEMM == "272 tiles on 132 of 132 blocks: 136 of them cut along K")
    }

    @Test("Behind another kernel all blocks work on tiles of a short K")
    func shortK() {
        for memory in [Self.h100, Self.h200] {
            let plan = Self.plan(n: 7168, k: 2048, rows: 16, dependent: true, memory: memory, grid: 132)
            #expect(plan.hasPrefix("448 tiles on 132 of 132 blocks"), "\(memory) bytes a second")
        }
    }
}
