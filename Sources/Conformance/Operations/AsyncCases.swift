import Accelerator
import KernelLanguage

/// Bulk and tensor copies, and tensor cores.
func asyncCases() -> [ConformanceCase] {
    [bulkCopyCase()] + Swizzle.allCases.map(tensorCopyCase)
        + [8, 24, 64, 128, 256].flatMap { [multiplyCase(Float8E4M3.self, columns: $0, .bytes128)] }
        + [16, 96, 256].map { multiplyCase(BFloat16.self, columns: $0, .bytes128) }
        + [Swizzle.none, .bytes32, .bytes64].flatMap {
            [multiplyCase(Float8E4M3.self, columns: 32, $0), multiplyCase(BFloat16.self, columns: 32, $0)]
        }
}

/// All cases of single operations.
func operationCases() -> [ConformanceCase] {
    arithmeticCases() + warpCases() + sharedWordCases() + fenceCases() + asyncCases() + launchCases() + sharingCases()
}

/// Global to shared to global by bulk copies, eight parts through one stage.
private func bulkCopyCase() -> ConformanceCase {
    ConformanceCase("operation bulk copies") { device in
        let words = (0..<UInt32(1024)).map { $0 &* 2_654_435_761 }
        let found = try runKernel(on: device, name: "bulk", inputs: [words], outputWords: 1024) {
            k, inputs, output, _ in
            let ring = k.shared(UInt32.self, count: 128, alignment: 128)
            let barrier = MemoryBarrier(k.memoryBarriers(count: 1))
            k.if(k.isFirstLane) {
                k.initialise(barrier, arrivals: 1)
                k.proxyFence(.barrierInit)
                k.for(to: 8) { part in
                    let bytes = k.constant(UInt32(512))
                    k.arrive(barrier, expecting: bytes)
                    k.bulkLoad(inputs[0] + part * 128, to: ring, bytes: bytes, barrier: barrier)
                    k.wait(barrier, parity: part & 1)
                    // Parts leave in reverse order.
                    k.bulkStore(ring, to: output + (k.constant(UInt32(7)) - part) * 128, bytes: bytes)
                    k.bulkStoreCommit()
                    k.bulkStoreWait(.sourceRead)
                }
                k.bulkStoreWait(.completed)
            }
        }
        let expected = (0..<8).reversed().flatMap { words[$0 * 128..<($0 + 1) * 128] }
        try requireEqual("output", found, expected)
    }
}

/// A box that sticks out of the tensor on two sides, in and out again: the swizzle shows in shared memory.
private func tensorCopyCase(_ swizzle: Swizzle) -> ConformanceCase {
    ConformanceCase("operation tensor copies, swizzle \(swizzle.rawValue)") { device in
        let rowBytes = swizzle == .none ? 64 : swizzle.rawValue
        let (columns, rows, boxRows) = (rowBytes + 32, 21, 16)
        let source = (0..<rows * columns).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        let from = try device.makeBuffer(source, label: "source")
        let to = try device.makeBuffer([UInt8](repeating: 0xEE, count: rows * columns), label: "destination")
        let maps = [from, to].map {
            TensorMap(
                address: $0.address, element: .float8E4M3, dimensions: [columns, rows], strides: [columns],
                box: [rowBytes, boxRows], swizzle: swizzle)
        }
        let (x, y) = (48, 9)
        let found = try runKernel(
            on: device, name: "tensor", maps: maps, outputWords: boxRows * rowBytes / 4
        ) { k, _, output, maps in
            let tile = k.shared(Float8E4M3.self, count: boxRows * rowBytes, alignment: 1024)
            let barrier = MemoryBarrier(k.memoryBarriers(count: 1))
            let place = [k.constant(UInt32(x)), k.constant(UInt32(y))]
            k.if(k.isFirstLane) {
                k.initialise(barrier, arrivals: 1)
                k.proxyFence(.barrierInit)
                k.arrive(barrier, expecting: boxRows * rowBytes)
                k.tensorLoad(maps[0], at: place, to: tile, barrier: barrier)
                k.wait(barrier, parity: k.constant(UInt32(0)))
                k.tensorStore(tile, to: maps[1], at: place)
                k.bulkStoreCommit()
                k.bulkStoreWait(.completed)
                k.for(to: boxRows * rowBytes / 4) { k.store(k.load(tile.cast(to: UInt32.self) + $0), to: output + $0) }
            }
        }
        func inside(_ row: Int, _ column: Int) -> Bool { row < rows && column < columns }
        var tile = [UInt8](repeating: 0, count: boxRows * rowBytes)
        var written = [UInt8](repeating: 0xEE, count: rows * columns)
        for row in 0..<boxRows {
            for column in 0..<rowBytes where inside(y + row, x + column) {
                let value = source[(y + row) * columns + x + column]
                tile[Int(swizzle.apply(UInt32(row * rowBytes + column)))] = value
                written[(y + row) * columns + x + column] = value
            }
        }
        let bytes = found.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
        try requireEqual("tile", bytes, tile)
        try requireEqual("destination", try device.read(UInt8.self, count: rows * columns, from: to), written)
    }
}

/// Small whole numbers, so that every order of addition gives the same bits.
private func multiplyCase<T: Scalar>(_ type: T.Type, columns: Int, _ swizzle: Swizzle) -> ConformanceCase {
    ConformanceCase("operation multiply \(T.scalarType) columns=\(columns) swizzle=\(swizzle.rawValue)") { device in
        // One row of the swizzle's span, or two core matrices of 16 bytes.
        let span = swizzle == .none ? 32 : swizzle.rawValue
        let k = span / T.scalarType.bytes
        func value(_ row: Int, _ index: Int, _ salt: Int) -> Float { Float((row * 7 + index * 5 + salt) % 9 - 4) }
        func tile(_ rows: Int, _ salt: Int) -> [UInt32] {
            var bytes = [UInt8](repeating: 0, count: rows * span)
            for row in 0..<rows {
                for index in 0..<k {
                    let x = value(row, index, salt)
                    let code =
                        T.scalarType == .bfloat16
                        ? [UInt8(truncatingIfNeeded: BFloat16(x).bits), UInt8(BFloat16(x).bits >> 8)]
                        : [Float8E4M3(x).bits]
                    for (part, byte) in code.enumerated() {
                        bytes[place(row: row, byte: index * code.count + part, rows: rows)] = byte
                    }
                }
            }
            return stride(from: 0, to: bytes.count, by: 4).map { at in
                (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[at + $1]) << (8 * $1) }
            }
        }
        func place(row: Int, byte: Int, rows: Int) -> Int {
            swizzle == .none
                ? byte / 16 * rows * 16 + row * 16 + byte % 16
                : Int(swizzle.apply(UInt32(row * span + byte)))
        }
        let found = try runKernel(
            on: device, name: "multiply", threads: 128, inputs: [tile(64, 0), tile(columns, 3)],
            outputWords: 64 * columns
        ) { k, inputs, output, _ in
            let operands = zip(inputs, [64, columns]).map { input, rows in
                let shared = k.shared(UInt32.self, count: rows * span / 4, alignment: 1024)
                k.for(
                    from: k.threadIndex, to: k.constant(UInt32(rows * span / 4)), by: k.constant(UInt32(128))
                ) { k.store(k.load(input + $0), to: shared + $0) }
                return k.matrixDescriptor(
                    shared, swizzle: swizzle, leadingBytes: rows * 16, strideBytes: swizzle == .none ? 128 : nil)
            }
            k.proxyFence(.asyncShared)
            k.syncThreads()
            let accumulators = (0..<columns / 2).map { _ in k.variable(k.constant(Float(1000))) }
            k.multiplyFence()
            for part in 0..<span / 32 {
                let step = swizzle == .none ? 0 : part * 2
                k.multiply(
                    type, a: operands[0] + step, b: operands[1] + step, into: accumulators,
                    accumulate: k.constant(part > 0))
            }
            k.multiplyCommit()
            k.multiplyWait()
            let row = (k.warpIndex << 4) + (k.lane >> 2)
            let column = (k.lane & 3) << 1
            for (index, sum) in accumulators.enumerated() {
                let (j, h, c) = (index / 4, index / 2 % 2, index % 2)
                let place = (row + h * 8).multiply(columns, add: column + (j * 8 + c))
                k.store(sum.value.reinterpreted(as: UInt32.self), to: output + place)
            }
        }
        let expected = (0..<64 * columns).map { index in
            let (row, column) = (index / columns, index % columns)
            return (0..<k).reduce(Float(0)) { $0 + value(row, $1, 0) * value(column, $1, 3) }
        }
        try requireEqual("product", found.map { Float(bitPattern: $0) }, expected)
    }
}
