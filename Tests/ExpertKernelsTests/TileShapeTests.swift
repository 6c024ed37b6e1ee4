import ExpertKernels
import Testing

/// Which tiles a GEMM has, by the rows that experts get and the tiles that there are.
@Suite("Tile shape")
struct TileShapeTests {
    @Test("A height holds the rows, and the next lower one does not")
    func heights() {
        for rows in 0...300 {
            let height = TileShape.m(holding: rows)
            #expect(TileShape.heights.contains(height))
            #expect(height >= rows || height == TileShape.maxM)
            if let lower = TileShape.heights.last(where: { $0 < height }) { #expect(lower < rows, "\(rows)") }
        }
    }

    /// 256 experts of which each token chooses 8: the mean, and a spread of twice its root.
    @Test(
        "By chance, most experts have one row block",
        arguments: [(0.0, 16), (1, 16), (9, 16), (10, 32), (20, 32), (24, 64), (48, 64), (50, 128), (1_000, 128)])
    func meanRows(mean: Double, height: Int) {
        #expect(TileShape.m(meanRows: mean) == height)
    }

    @Test("Tiles are narrow only where there are fewer wide ones than multiprocessors")
    func width() {
        // 8 experts with 4,096 channels have 128 wide tiles.
        #expect(TileShape.n(for: 4_096, experts: 8, multiprocessors: 128) == 256)
        #expect(TileShape.n(for: 4_096, experts: 8, multiprocessors: 129) == 128)
        // A width that does not divide the channels needs one tile more.
        #expect(TileShape.across(4_097, tileN: 256) == 17)
        #expect(TileShape.n(for: 4_097, experts: 8, multiprocessors: 136) == 256)
    }
}
