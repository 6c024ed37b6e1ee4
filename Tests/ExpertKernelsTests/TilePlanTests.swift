import ExpertKernels
import Testing

/// Which thread blocks work on which tiles, by what the memory gives and what runs before.
@Suite("Tile plan")
struct TilePlanTests {
    private static let h100 = 3_352_320_000_000
    private static let h200 = 4_916_736_000_000

    /// Gate and up of 16 experts of DeepSeek-V3 with as many rows each, or down.
    private static func plan(
        experts: Int = 16, rows: Int, role: GEMMRole = .plain(), memory: Int? = nil, grid: Int
    ) -> String {
        tilePlan(experts: experts, rows: rows, role: role, memory: memory, grid: grid).description
    }

    private static func tilePlan(
        n: Int = 4096, k: Int = 7168, experts: Int = 16, rows: Int, role: GEMMRole = .plain(), memory: Int? = nil,
        grid: Int
    ) -> TilePlan {
        let configuration = GEMMConfiguration(
            GEMMProblem(n: n, k: k, experts: experts, maxRows: rows), tile: TileShape(m: TileShape.m(holding: rows)),
            role: role, tuning: .device(memoryBytesPerSecond: memory))
        return TilePlan(configuration, counts: [Int](repeating: rows, count: experts), gridSize: grid)
    }

    private static let behindGEMM = GEMMRole.plain(launch: .behindGEMM)

    private static func down(rows: Int, role: GEMMRole = .plain(), memory: Int? = nil, grid: Int) -> String {
        tilePlan(n: 7168, k: 2048, rows: rows, role: role, memory: memory, grid: grid).description
    }

    private static func whole(_ tiles: Int, by blocks: Int, of grid: Int) -> String {
        "\(tiles) tiles on \(blocks) of \(grid) blocks"
    }

    private static func split(_ split: Int, of tiles: Int, grid: Int) -> String {
        "\(tiles) tiles on \(grid) of \(grid) blocks, \(split) of them split along K"
    }

    @Test("By itself a GEMM splits tiles only where blocks that share them evenly do not keep up with the memory")
    func keepingUp() {
        for memory in [Self.h100, Self.h200, nil] {
            #expect(Self.plan(rows: 16, memory: memory, grid: 132) == Self.whole(256, by: 128, of: 132))
            #expect(Self.plan(rows: 128, memory: memory, grid: 132) == Self.whole(256, by: 128, of: 132))
            #expect(Self.plan(rows: 64, memory: memory, grid: 124) == Self.whole(256, by: 86, of: 124))
        }
        #expect(Self.plan(rows: 16, memory: Self.h100, grid: 124) == Self.whole(256, by: 86, of: 124))
        #expect(Self.plan(rows: 128, memory: Self.h100, grid: 124) == Self.whole(256, by: 86, of: 124))
        #expect(Self.plan(rows: 64, memory: Self.h100, grid: 48) == Self.whole(256, by: 43, of: 48))
        for memory in [Self.h200, nil] {
            #expect(Self.plan(rows: 16, memory: memory, grid: 124) == Self.split(123 - 2 * 6, of: 256, grid: 124))
            #expect(Self.plan(rows: 128, memory: memory, grid: 124) == Self.split(123 - 2 * 6, of: 256, grid: 124))
            #expect(Self.plan(rows: 64, memory: memory, grid: 48) == Self.split(47 - 2 * 2, of: 256, grid: 48))
        }
    }

    @Test("With a short K it splits none", arguments: [16, 128])
    func shortK(rows: Int) {
        for memory in [Self.h100, Self.h200] {
            #expect(Self.down(rows: rows, memory: memory, grid: 132) == Self.whole(448, by: 112, of: 132))
            #expect(Self.down(rows: rows, memory: memory, grid: 48) == Self.whole(448, by: 45, of: 48))
        }
    }

    @Test("Behind dispatch tiles are whole", arguments: [16, 64])
    func behindDispatch(rows: Int) {
        func plan(experts: Int, grid: Int) -> String {
            Self.plan(experts: experts, rows: rows, role: .gateUp(.bfloat16), grid: grid)
        }
        #expect(plan(experts: 17, grid: 132) == Self.whole(272, by: 91, of: 132))
        #expect(plan(experts: 9, grid: 66) == Self.whole(144, by: 48, of: 66))
        #expect(plan(experts: 12, grid: 132) == Self.whole(192, by: 96, of: 132))
        #expect(plan(experts: 9, grid: 132) == Self.whole(144, by: 72, of: 132))
    }

    @Test("Behind another GEMM all blocks are active, and split low tiles where few would work on a last one")
    func behindAnotherGEMM() {
        #expect(
            Self.plan(experts: 17, rows: 64, role: Self.behindGEMM, grid: 132)
                == Self.split(8 * 15, of: 272, grid: 132))
        #expect(Self.plan(rows: 16, role: Self.behindGEMM, grid: 108) == Self.split(40, of: 256, grid: 108))
        #expect(Self.plan(rows: 16, role: Self.behindGEMM, grid: 100) == Self.whole(256, by: 100, of: 100))
        #expect(Self.down(rows: 16, role: Self.behindGEMM, grid: 132) == Self.split(52, of: 448, grid: 132))
        #expect(Self.down(rows: 16, role: Self.behindGEMM, grid: 124) == Self.whole(448, by: 124, of: 124))
        #expect(Self.down(rows: 64, role: Self.behindGEMM, grid: 132) == Self.whole(448, by: 132, of: 132))
    }

    /// Splits of less than three k-blocks are left out, and k-blocks are whole.
    @Test("Where tiles are split all blocks have about as much to do", arguments: [96, 100, 104, 108, 116, 124])
    func equalShares(grid: Int) {
        let shares = Self.tilePlan(rows: 128, grid: grid).workTilesOfBlocks.map {
            $0.reduce(0) { $0 + $1.kBlocks.count }
        }
        #expect(shares.reduce(0, +) == 256 * 56)
        #expect((shares.max()! - 4) * grid < 256 * 56)
    }
}
