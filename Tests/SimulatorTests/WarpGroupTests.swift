import KernelLanguage
import Simulator
import Testing

/// A tile of a K-major matrix as bytes, and where they lie in shared memory.
private struct Tile {
    let rows: Int
    let rowBytes: Int
    let swizzle: Swizzle

    /// Offset of byte `byte` of row `row` in a tile at a multiple of 1024.
    func place(_ row: Int, _ byte: Int) -> Int {
        if swizzle == .none { return row / 8 * strideBytes + byte / 16 * 128 + row % 8 * 16 + byte % 16 }
        return Int(swizzle.apply(UInt32(row / 8 * strideBytes + row % 8 * swizzle.rawValue + byte)))
    }

    var strideBytes: Int { swizzle == .none ? rowBytes * 8 : swizzle.rawValue * 8 }
    var bytes: Int { rows * max(rowBytes, swizzle.rawValue) }
}

@Suite struct WarpGroupTests {
    /// `D = A × Bᵀ` of one K atom, in steps of 32 bytes along K.
    private func check(_ element: ScalarType, columns: Int, swizzle: Swizzle, fragments: Bool = false) throws {
        let rowBytes = swizzle == .none ? 64 : swizzle.rawValue
        let width = element.bytes
        let depth = rowBytes / width
        let a = Tile(rows: 64, rowBytes: rowBytes, swizzle: swizzle)
        let b = Tile(rows: columns, rowBytes: rowBytes, swizzle: swizzle)
        let kernel = try KernelBuilder.build("multiply", threads: 128) { k in
            let aImage = k.pointerParameter("a", to: UInt32.self)
            let bImage = k.pointerParameter("b", to: UInt32.self)
            let out = k.pointerParameter("out", to: Float.self)
            let fragment = k.pointerParameter("fragments", to: UInt32.self)
            let aTile = k.shared(UInt32.self, count: a.bytes / 4, alignment: 1024)
            let bTile = k.shared(UInt32.self, count: b.bytes / 4, alignment: 1024)
            for (image, tile, bytes) in [(aImage, aTile, a.bytes), (bImage, bTile, b.bytes)] {
                k.for(from: k.threadIndex, to: k.constant(UInt32(bytes / 4)), by: k.constant(UInt32(128))) { i in
                    k.store(k.load(image + i), to: tile + i)
                }
            }
            k.proxyFence(.asyncShared)
            k.syncThreads()
            let sums = (0..<columns / 2).map { _ in k.variable(k.constant(Float(1))) }
            k.multiplyFence()
            let advance = swizzle == .none ? 16 : 2
            let aStart = k.matrixDescriptor(aTile, swizzle: swizzle, leadingBytes: 128, strideBytes: a.strideBytes)
            let bStart = k.matrixDescriptor(bTile, swizzle: swizzle, leadingBytes: 128, strideBytes: b.strideBytes)
            for step in 0..<rowBytes / 32 {
                let accumulate = k.constant(step > 0)
                let bNow = bStart + step * advance
                if fragments {
                    let registers = (0..<4).map { register in
                        k.load(fragment + (k.threadIndex * (rowBytes / 8) + (step * 4 + register)))
                    }
                    if element == .bfloat16 {
                        k.multiply(BFloat16.self, a: registers, b: bNow, into: sums, accumulate: accumulate)
                    } else {
                        k.multiply(Float8E4M3.self, a: registers, b: bNow, into: sums, accumulate: accumulate)
                    }
                } else if element == .bfloat16 {
                    k.multiply(BFloat16.self, a: aStart + step * advance, b: bNow, into: sums, accumulate: accumulate)
                } else {
                    k.multiply(Float8E4M3.self, a: aStart + step * advance, b: bNow, into: sums, accumulate: accumulate)
                }
            }
            k.multiplyCommit()
            // Not waited for yet: nobody may read the accumulators, and most threads still find the old values.
            k.store(sums[0].value, to: out + (k.threadIndex + 64 * columns))
            k.multiplyWait(pending: 0)
            let row = k.warpIndex * 16 + (k.lane >> 2)
            for j in 0..<columns / 8 {
                for h in 0..<2 {
                    for c in 0..<2 {
                        let column = (k.lane & 3) * 2 + (8 * j + c)
                        k.store(sums[4 * j + 2 * h + c].value, to: out + ((row + 8 * h) * columns + column))
                    }
                }
            }
        }
        var random = TestRandom(UInt64(columns) + UInt64(swizzle.rawValue))
        func code() -> UInt16 {
            let value = Float(Int(random.next() % 2001) - 1000) / 256
            return element == .bfloat16 ? BFloat16(value).bits : UInt16(Float8E4M3(value).bits)
        }
        func decode(_ code: UInt16) -> Float {
            element == .bfloat16 ? BFloat16(bits: code).float : Float8E4M3(bits: UInt8(code)).float
        }
        let left = (0..<64).map { _ in (0..<depth).map { _ in code() } }
        let right = (0..<columns).map { _ in (0..<depth).map { _ in code() } }
        func bytes(_ row: [UInt16]) -> [UInt8] {
            row.flatMap { width == 2 ? [UInt8($0 & 0xFF), UInt8($0 >> 8)] : [UInt8($0)] }
        }
        func image(_ tile: Tile, _ rows: [[UInt16]]) -> [UInt8] {
            var image = [UInt8](repeating: 0x55, count: tile.bytes)
            for (row, codes) in rows.enumerated() {
                for (byte, value) in bytes(codes).enumerated() { image[tile.place(row, byte)] = value }
            }
            return image
        }
        // Register r of a thread: 4 bytes of its row (+ 8 for odd r), from byte 4 * (lane % 4) (+ 16 for r ≥ 2) on.
        var registers: [UInt8] = []
        for thread in 0..<128 {
            for step in 0..<rowBytes / 32 {
                for register in 0..<4 {
                    let row = thread / 32 * 16 + thread % 32 / 4 + register % 2 * 8
                    let first = step * 32 + thread % 4 * 4 + register / 2 * 16
                    registers += bytes(left[row])[first..<first + 4]
                }
            }
        }
        let harness = Harness()
        let out = try harness.empty(Float.self, count: 64 * columns + 128)
        try harness.run(
            kernel,
            [
                .address(try harness.buffer(image(a, left))), .address(try harness.buffer(image(b, right))),
                .address(out), .address(try harness.buffer(registers)),
            ])
        let result = try harness.read(Float.self, count: 64 * columns + 128, at: out)
        var wrong = 0
        for row in 0..<64 {
            for column in 0..<columns {
                var sum: Float = 0
                for k in 0..<depth { sum += decode(left[row][k]) * decode(right[column][k]) }
                if result[row * columns + column] != sum { wrong += 1 }
            }
        }
        #expect(wrong == 0, "\(element), \(columns) columns, swizzle \(swizzle)")
        #expect(result[(64 * columns)...].contains { $0 == 1 })
    }

    @Test(arguments: [ScalarType.bfloat16, .float8E4M3], [8, 16, 24, 64, 136, 256])
    func columns(element: ScalarType, columns: Int) throws {
        try check(element, columns: columns, swizzle: .bytes128)
    }

    @Test(arguments: [ScalarType.bfloat16, .float8E4M3], Swizzle.allCases)
    func swizzles(element: ScalarType, swizzle: Swizzle) throws {
        try check(element, columns: 32, swizzle: swizzle)
    }

    @Test(arguments: [ScalarType.bfloat16, .float8E4M3]) func fragmentsOfA(element: ScalarType) throws {
        try check(element, columns: 32, swizzle: .bytes128, fragments: true)
    }

    @Test func descriptorsOutsideSharedMemory() throws {
        let kernel = try KernelBuilder.build("outside", threads: 128) { k in
            let tile = k.shared(UInt32.self, count: 256, alignment: 1024)
            let sums = (0..<4).map { _ in k.variable(k.constant(Float(0))) }
            let descriptor = k.matrixDescriptor(tile, swizzle: .bytes128)
            k.multiply(BFloat16.self, a: descriptor, b: descriptor, into: sums, accumulate: k.constant(false))
            k.multiplyCommit()
            k.multiplyWait(pending: 0)
        }
        guard case .outOfBounds(let fault) = try Harness().failure(kernel, []) else {
            Issue.record("no error")
            return
        }
        #expect(fault.space == .shared)
    }
}
