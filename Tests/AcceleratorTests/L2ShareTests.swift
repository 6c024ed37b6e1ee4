import Accelerator
import ExpertKernels
import Testing

@Suite struct L2ShareTests {
    /// 16 bytes a sixteenth.
    private let l2 = 256

    @Test(
        "The largest share counts, three quarters as much again, in 5 to 7 sixteenths or 8, never less than was found"
    )
    func sixteenths() {
        for (bytes, expected) in [
            (0, 80), (46, 80), (47, 96), (55, 96), (56, 112), (64, 112), (96, 112), (97, 128), (200, 128),
            (Int.max, 128),
        ] {
            var shares = L2Shares(fixed: nil, found: 48)
            _ = shares.begin(bytes)
            #expect(shares.setAsideBytes(of: l2) == expected, "\(bytes) bytes")
        }
        var shares = L2Shares(fixed: nil, found: 48)
        #expect(shares.setAsideBytes(of: l2) == 48)
        let (small, large) = (shares.begin(10), shares.begin(60))
        #expect(shares.setAsideBytes(of: l2) == 112)
        shares.end(large)
        #expect(shares.setAsideBytes(of: l2) == 80)
        shares.end(small)
        #expect(shares.setAsideBytes(of: l2) == 48)
        var found = L2Shares(fixed: nil, found: 160)
        _ = found.begin(10)
        #expect(found.setAsideBytes(of: l2) == 160)
    }

    @Test("What is fixed stays, whoever has a share")
    func fixed() {
        var shares = L2Shares(fixed: 16, found: 48)
        _ = shares.begin(100)
        #expect(shares.setAsideBytes(of: l2) == 16)
    }

    @Test("GEMMs keep outputs, with SwiGLU rows as well, and the partials of split tiles")
    func keptBytes() {
        let shape = ExpertShape(hidden: 7168, intermediate: 2048, experts: 16, maxRows: 64, blockM: 64)
        let (gateUp, down) = (shape.gateUp(multiprocessors: 132), shape.down(multiprocessors: 132))
        let counts = [Int](repeating: 64, count: 16)
        let (rowsAndOutputs, outputs) = (1024 * (7168 + 2048), 1024 * 7168 * 2)
        #expect(gateUp.role.output == .swiGLU)
        #expect(gateUp.keptBytes(counts: counts, gridSize: 132) == rowsAndOutputs)
        #expect(down.keptBytes(counts: counts, gridSize: 132) == outputs)
        #expect(shape.keptBytes(counts: counts, multiprocessors: 132) == rowsAndOutputs + outputs)
        // Of 448 tiles 28 are left over after one wave. Each 15 thread blocks share one of them and their last ones, of
        // which 12 are split: splits of one k-block of the 16 are not worth it.
        let low = ExpertShape(hidden: 7168, intermediate: 2048, experts: 16, maxRows: 16, blockM: 16)
            .down(multiprocessors: 420)
        let lowCounts = [Int](repeating: 16, count: 16)
        let partials = low.keptBytes(counts: lowCounts, gridSize: 420) - outputs / 4
        let partialsOfTile = 16 * 256 * 4
        #expect(partials == 28 * 12 * partialsOfTile)
    }

    @Test("A device sets aside what shares need, and refuses less than nothing", arguments: DeviceCase.all())
    func device(_ test: DeviceCase) throws {
        let l2 = test.device.properties.l2Bytes
        do {
            let share = try test.device.keepInL2(bytes: l2)
            #expect(share.setAsideBytes >= l2 / 16 * 8)
        }
        #expect(try test.device.keepInL2(bytes: 0).setAsideBytes >= l2 / 16 * 5)
        #expect(throws: DeviceError.keptBytes(-1)) { try test.device.keepInL2(bytes: -1) }
    }
}
