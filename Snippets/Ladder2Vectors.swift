//! Moves 16 bytes at a time, with a fixed number of threads that go on until all is done.

import KernelLanguage
import Simulator

// snippet.kernel
/// `target[i] = source[i] * factor`, `width` elements to a load and a store.
func scale(width: Int) throws -> Kernel {
    let threads = 64
    return try KernelBuilder.build("scale\(width)", threads: threads) { k in
        let source = k.pointerParameter("source", to: Float.self)
        let target = k.pointerParameter("target", to: Float.self)
        let factor = k.parameter("factor", Float.self)
        let vectors = k.parameter("vectors", UInt32.self)
        // A grid of any size: each thread takes every n-th vector, n being the number of threads.
        let first = k.blockIndex * threads + k.threadIndex
        k.for(from: first, to: vectors, by: k.gridSize * threads) { vector in
            // One instruction loads up to 16 bytes, at an address that is a multiple of its size. The values are a
            // Swift array, so `map` writes one multiplication for each.
            let values = k.loadVector(source + vector * width, count: width)
            k.storeVector(values.map { $0 * factor }, to: target + vector * width)
        }
    }
}

// snippet.run
let numbers = (0..<2048).map { Float($0) / 4 }
var instructions: [Int: UInt64] = [:]
for width in [1, 4] {
    let machine = SimulatedMachine(SimulatorConfiguration(multiprocessors: 4, seed: 1))
    let stream = machine.makeStream(label: "main")
    let source = try machine.allocate(numbers, label: "source")
    let target = try machine.allocate(bytes: numbers.count * 4, label: "target")
    try machine.enqueueLaunch(
        Program(scale(width: width)), grid: 4,
        arguments: [
            .address(source), .address(target), .float32(2), .uint32(UInt32(numbers.count / width)),
        ], on: stream)
    try machine.synchronize(stream)
    let found = try machine.read(Float.self, count: numbers.count, from: target)
    guard found == numbers.map({ $0 * 2 }) else { fatalError("width \(width): wrong products") }
    instructions[width] = machine.statistics.instructions
}
guard instructions[4]! < instructions[1]! else { fatalError("vectors need no fewer instructions") }
print("instructions: \(instructions[1]!) one by one, \(instructions[4]!) by vectors of four")
