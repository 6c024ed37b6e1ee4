//! Multiplies a tile on the tensor cores: 128 threads of a warp group, operands in shared memory, sums in registers.

import KernelLanguage
import Simulator

// snippet.operands
// D[64, 8] = A[64, 16] × B[8, 16]ᵀ in BF16, with sums in Float32. Rows are 32 bytes; without swizzle an operand lies
// in core matrices of 8 rows of 16 bytes, one behind the other.
let (rows, columns, depth) = (64, 8, 16)

let multiply = try KernelBuilder.build("multiply", threads: 128) { k in
    let output = k.pointerParameter("output", to: Float.self)
    let operands = [("a", rows), ("b", columns)].map { name, height in
        let input = k.pointerParameter(name, to: UInt32.self)
        let tile = k.shared(UInt32.self, count: height * 8, alignment: 128)
        k.for(from: k.threadIndex, to: k.constant(UInt32(height * 8)), by: k.constant(128)) { word in
            k.store(k.load(input + word), to: tile + word)
        }
        return k.matrixDescriptor(tile, swizzle: .none, leadingBytes: height * 16, strideBytes: 128)
    }
    // Tensor cores read shared memory through the asynchronous proxy: each thread fences what it stored, then all meet.
    k.proxyFence(.asyncShared)
    k.syncThreads()
    // snippet.multiply
    // Each thread has 4 of the 512 sums. The multiplication runs on its own until it is waited for.
    let sums = (0..<columns / 2).map { _ in k.variable(Float(0)) }
    k.multiplyFence()
    k.multiply(BFloat16.self, a: operands[0], b: operands[1], into: sums, accumulate: k.constant(false))
    k.multiplyCommit()
    k.multiplyWait()
    // snippet.sums
    // Where a thread's sums belong: pairs of columns, rows 8 apart (PTX ISA, wgmma fragments).
    let row = (k.warpIndex << 4) + (k.lane >> 2)
    let column = (k.lane & 3) << 1
    for (index, sum) in sums.enumerated() {
        let place = (row + index / 2 * 8).multiply(columns, add: column + index % 2)
        k.store(sum.value, to: output + place)
    }
}

// snippet.explore
/// Small whole numbers, so that every order of addition gives the same bits.
func element(_ row: Int, _ channel: Int) -> Float { Float((row * 7 + channel * 5) % 9 - 4) }

/// The operand's words, in core matrices: the 16-byte half of a row, then the row, then the channel.
func packed(_ height: Int) -> [UInt32] {
    var words = [UInt32](repeating: 0, count: height * 8)
    for row in 0..<height {
        for channel in 0..<depth {
            let place = channel / 8 * height * 8 + row * 8 + channel % 8
            words[place / 2] |= UInt32(BFloat16(element(row, channel)).bits) << (16 * (place % 2))
        }
    }
    return words
}

let expected = (0..<rows * columns).map { index in
    (0..<depth).reduce(Float(0)) { $0 + element(index / columns, $1) * element(index % columns, $1) }
}
let report = Exploration(schedules: 5).run { machine in
    let stream = machine.makeStream(label: "main")
    let output = try machine.allocate(bytes: rows * columns * 4, label: "output")
    let operands = try [rows, columns].map { try machine.allocate(packed($0), label: "operand of \($0) rows") }
    try machine.enqueueLaunch(
        Program(multiply), grid: 1, arguments: ([output] + operands).map { .address($0) }, on: stream)
    try machine.synchronize(stream)
    return try machine.read(Float.self, count: rows * columns, from: output)
}
guard report.failure == nil else { fatalError("\(report)") }
guard Array(report.outcomes.keys) == [expected] else { fatalError("wrong products") }
print("\(rows) x \(columns) products of \(depth) channels: right in \(report.schedules) schedules")
