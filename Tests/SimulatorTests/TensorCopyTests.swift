import KernelLanguage
import Simulator
import Testing

@Suite struct TensorCopyTests {
    private static let rows = 20
    private static let rowBytes = 128

    /// Loads a box at (column, row), dumps the shared memory as it lies, and stores the box back at the same place.
    private func kernel(box: [Int]) throws -> Kernel {
        let bytes = box[0] * box[1]
        return try KernelBuilder.build("box", threads: 32) { k in
            let source = k.tensorMapParameter("source")
            let target = k.tensorMapParameter("target")
            let dump = k.pointerParameter("dump", to: UInt32.self)
            let column = k.parameter("column", UInt32.self)
            let row = k.parameter("row", UInt32.self)
            let tile = k.shared(UInt32.self, count: bytes / 4, alignment: 1024)
            let barrier = MemoryBarrier(k.memoryBarriers(count: 1))
            k.if(k.isFirstLane) {
                k.initialise(barrier, arrivals: 1)
                k.arrive(barrier, expecting: bytes)
                k.tensorLoad(source, at: [column, row], to: tile, barrier: barrier)
            }
            k.syncWarp()
            k.wait(barrier, parity: k.constant(UInt32(0)))
            k.for(to: bytes / 128) { i in k.store(k.load(tile + (i * 32 + k.lane)), to: dump + (i * 32 + k.lane)) }
            k.if(k.isFirstLane) {
                k.tensorStore(tile, to: target, at: [column, row])
                k.bulkStoreCommit()
                k.bulkStoreWait(.completed)
            }
        }
    }

    @Test(arguments: Swizzle.allCases, [(0, 0), (16, 3), (-16, -2), (112, 15), (3, 18), (200, 1), (-300, 0)])
    func boxesWithEverySwizzle(swizzle: Swizzle, origin: (Int, Int)) throws {
        let width = swizzle == .none ? 48 : swizzle.rawValue
        let box = [width, 16]
        let harness = Harness()
        let contents = (0..<Self.rows * Self.rowBytes).map { UInt8(truncatingIfNeeded: $0 * 7 + 1 + $0 / 128) }
        let source = try harness.buffer(contents, "source")
        let target = try harness.buffer([UInt8](repeating: 0xEE, count: contents.count), "target")
        let dump = try harness.empty(UInt8.self, count: 16 * width)
        // The tensor is narrower than its rows: 120 of 128 bytes.
        func map(_ address: UInt64) -> TensorMap {
            TensorMap(
                address: address, element: .float8E4M3, dimensions: [120, Self.rows], strides: [Self.rowBytes],
                box: box,
                swizzle: swizzle)
        }
        try harness.run(
            try kernel(box: box),
            [
                .tensorMap(map(source)), .tensorMap(map(target)), .address(dump),
                .uint32(UInt32(bitPattern: Int32(origin.0))), .uint32(UInt32(bitPattern: Int32(origin.1))),
            ])
        let tile = try harness.read(UInt8.self, count: 16 * width, at: dump)
        let stored = try harness.read(UInt8.self, count: contents.count, at: target)
        var expected = [UInt8](repeating: 0xEE, count: contents.count)
        for row in 0..<16 {
            for column in 0..<width {
                let (x, y) = (origin.0 + column, origin.1 + row)
                let isInside = (0..<120).contains(x) && (0..<Self.rows).contains(y)
                let place = Int(swizzle.apply(UInt32(1024 + row * width + column))) - 1024
                #expect(tile[place] == (isInside ? contents[y * 128 + x] : 0), "row \(row) column \(column)")
                if isInside { expected[y * 128 + x] = contents[y * 128 + x] }
            }
        }
        #expect(stored == expected)
    }

    @Test func threeDimensions() throws {
        let kernel = try KernelBuilder.build("three", threads: 32) { k in
            let source = k.tensorMapParameter("source")
            let dump = k.pointerParameter("dump", to: UInt32.self)
            let tile = k.shared(UInt32.self, count: 4 * 3 * 2, alignment: 1024)
            let barrier = MemoryBarrier(k.memoryBarriers(count: 1))
            k.if(k.isFirstLane) {
                k.initialise(barrier, arrivals: 1)
                k.arrive(barrier, expecting: 96)
                let origin = [k.constant(UInt32(4)), k.constant(UInt32(1)), k.constant(UInt32(1))]
                k.tensorLoad(source, at: origin, to: tile, barrier: barrier)
            }
            k.syncWarp()
            k.wait(barrier, parity: k.constant(UInt32(0)))
            k.if(k.lane < 24) { k.store(k.load(tile + k.lane), to: dump + k.lane) }
        }
        let harness = Harness()
        let source = try harness.buffer((0..<8 * 3 * 2).map { UInt32($0) })
        let dump = try harness.empty(UInt32.self, count: 24)
        let map = TensorMap(
            address: source, element: .uint32, dimensions: [8, 3, 2], strides: [32, 96], box: [4, 3, 2])
        try harness.run(kernel, [.tensorMap(map), .address(dump)])
        var expected: [UInt32] = []
        for z in 1..<3 {
            for y in 1..<4 {
                for x in 4..<8 { expected.append(y < 3 && z < 2 ? UInt32(z * 24 + y * 8 + x) : 0) }
            }
        }
        #expect(try harness.read(UInt32.self, count: 24, at: dump) == expected)
    }

    @Test func mapsBeyondTheirAllocation() throws {
        let harness = Harness()
        let source = try harness.buffer([UInt8](repeating: 1, count: 1024), "small")
        let target = try harness.buffer([UInt8](repeating: 1, count: 4096), "target")
        func map(_ address: UInt64) -> TensorMap {
            TensorMap(address: address, element: .float8E4M3, dimensions: [128, 32], strides: [128], box: [128, 16])
        }
        let dump = try harness.empty(UInt8.self, count: 2048)
        let error = try harness.failure(
            try kernel(box: [128, 16]),
            [.tensorMap(map(source)), .tensorMap(map(target)), .address(dump), .uint32(0), .uint32(0)])
        guard case .outOfBounds(let fault) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(fault.nearest?.label == "small")
        #expect(fault.address == source + 1024)
    }

    @Test func impossibleMapsAreRefused() throws {
        let harness = Harness()
        let source = try harness.buffer([UInt8](repeating: 1, count: 4096))
        let good = TensorMap(
            address: source, element: .float8E4M3, dimensions: [128, 16], strides: [128], box: [128, 16],
            swizzle: .bytes128)
        let changes: [(inout TensorMap) -> Void] = [
            { $0.address += 8 }, { $0.dimensions = [] }, { $0.strides = [] }, { $0.strides = [120] },
            { $0.box = [257, 16] }, { $0.box = [8, 16] }, { $0.swizzle = .bytes64 }, { $0.dimensions = [0, 16] },
            { $0.element = .bool },
        ]
        for change in changes {
            var map = good
            change(&map)
            do throws(SimulationError) {
                try harness.machine.enqueueLaunch(
                    try! Program(try! kernel(box: [128, 16])), grid: 1,
                    arguments: [.tensorMap(map), .tensorMap(good), .address(source), .uint32(0), .uint32(0)],
                    on: harness.stream)
                Issue.record("\(map) is accepted")
            } catch {
                guard case .invalidLaunch = error else {
                    Issue.record("\(error)")
                    continue
                }
            }
        }
    }
}
