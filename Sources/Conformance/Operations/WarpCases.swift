import Accelerator
import KernelLanguage

/// Shuffles, votes, divergence, barriers and atomics.
func warpCases() -> [ConformanceCase] {
    [
        shuffleCase(), transposeCase(), voteCase(), divergenceCase(), barrierCase(), atomicCase(), messageCase(),
        timerCase(),
    ]
}

private let lanes = (0..<UInt32(32)).map { $0 }

private func shuffleCase() -> ConformanceCase {
    let values = lanes.map { $0 &* 0x9E37_79B9 }
    let expected = lanes.map { lane -> UInt32 in
        let index = values[Int((lane * 7 + 3) % 32)]
        let butterfly = values[Int(lane ^ 5)]
        let up = values[Int(lane >= 3 ? lane - 3 : lane)]
        let down = values[Int(lane < 30 ? lane + 2 : lane)]
        return index &+ butterfly &* 3 &+ up &* 5 &+ down &* 7
    }
    return elementwiseCase("shuffles", [values], expected: expected) { k, x in
        let index = k.shuffle(x[0], from: (k.lane * 7 + 3) % 32)
        return index + k.shuffle(x[0], exclusiveOr: 5) * 3 + k.shuffle(x[0], up: 3) * 5 + k.shuffle(x[0], down: 2) * 7
    }
}

/// Element `(row, column)` is `256 * row + column`.
private func transposeCase() -> ConformanceCase {
    func pairs(_ element: (_ row: UInt32, _ column: UInt32) -> UInt32) -> [UInt32] {
        lanes.map { lane in
            let (row, column) = (lane / 4, lane % 4 * 2)
            return element(row, column) | element(row, column + 1) << 16
        }
    }
    return elementwiseCase(
        "8x8 transpose", [pairs { $0 * 256 + $1 }], expected: pairs { $1 * 256 + $0 }
    ) { k, x in k.transpose(x[0]) }
}

private func voteCase() -> ConformanceCase {
    let bits = lanes.filter { $0 % 3 == 1 }.reduce(UInt32(0)) { $0 | 1 << $1 }
    return elementwiseCase("votes", [lanes], expected: lanes.map { _ in bits ^ 0b101 }) { k, x in
        let some = x[0] % 3 == 1
        let all = k.all(x[0] < 32).select(k.constant(UInt32(1)), k.constant(UInt32(0)))
        let none = k.any(x[0] > 31).select(k.constant(UInt32(2)), k.constant(UInt32(0)))
        let notAll = k.all(some).select(k.constant(UInt32(0)), k.constant(UInt32(4)))
        return k.ballot(some) ^ (all | none | notAll)
    }
}

/// Nested branches and loops that lanes leave at different times.
private func divergenceCase() -> ConformanceCase {
    func expected(_ lane: UInt32) -> UInt32 {
        var sum: UInt32 = 0
        var n = lane
        while n != 0 {
            if n % 2 == 0 { sum += 100 } else if n % 3 == 0 { sum += 10 } else { sum += 1 }
            n /= 2
        }
        return sum
    }
    return elementwiseCase("divergence", [lanes], expected: lanes.map(expected)) { k, x in
        let sum = k.variable(k.constant(UInt32(0)))
        let n = k.variable(x[0])
        k.while({ n.value != 0 }) {
            k.if(n.value % 2 == 0) {
                sum.add(100)
            } else: {
                k.if(n.value % 3 == 0) {
                    sum.add(10)
                } else: {
                    sum.add(1)
                }
            }
            n.value = n.value / 2
        }
        return sum.value
    }
}

/// Shared memory between the warps of a block, through the block's barrier and a named one.
private func barrierCase() -> ConformanceCase {
    ConformanceCase("operation barriers") { device in
        let threads = 256
        let found = try runKernel(on: device, name: "barriers", threads: threads, blocks: 3, outputWords: 3 * threads) {
            k, _, output, _ in
            let shared = k.shared(UInt32.self, count: threads)
            k.store(k.threadIndex * 3, to: shared + k.threadIndex)
            k.syncThreads()
            let value = k.variable(k.load(shared + (k.constant(UInt32(threads - 1)) - k.threadIndex)))
            k.syncThreads()
            // The lower half of the warps meets by itself.
            k.if(k.warpIndex < 4) {
                k.store(k.threadIndex + 1000, to: shared + k.threadIndex)
                k.barrier(NamedBarrier(3), threads: 128)
                value.add(k.load(shared + (k.threadIndex ^ 127)))
            }
            k.store(value.value, to: output + k.blockIndex.multiply(threads, add: k.threadIndex))
        }
        let expected = (0..<3 * threads).map { index -> UInt32 in
            let thread = index % threads
            return UInt32((threads - 1 - thread) * 3 + (thread < 128 ? (thread ^ 127) + 1000 : 0))
        }
        try requireEqual("output", found, expected)
    }
}

/// All blocks and threads count in the same words.
private func atomicCase() -> ConformanceCase {
    ConformanceCase("operation atomics") { device in
        let found = try runKernel(
            on: device, name: "atomics", threads: 64, blocks: 5, inputs: [[0, .max, 0, 0, 0, 0]], outputWords: 1
        ) { k, inputs, output, _ in
            let words = inputs[0]
            let index = k.blockIndex.multiply(64, add: k.threadIndex)
            k.atomicAdd(words, index, order: .relaxed(.gpu))
            _ = k.atomic(.minimum, words + 1, index + 7, order: .relaxed(.gpu))
            _ = k.atomic(.maximum, words + 2, index, order: .relaxed(.gpu))
            _ = k.atomic(.or, words + 3, k.constant(UInt32(1)) << (index % 32), order: .relaxed(.gpu))
            let old = k.atomicCompareAndSwap(
                words + 4, expected: k.constant(UInt32(0)), value: index + 1, order: .relaxed(.gpu))
            k.if(old == 0) { k.atomicAdd(words + 5, 1, order: .relaxed(.gpu)) }
            // The last to arrive reports.
            let arrived = k.atomic(.add, output, k.constant(UInt32(1)), order: .acquireRelease(.gpu))
            k.if(arrived + 1 == 319) {
                let values = (0..<6).map { k.load(words + $0, order: .relaxed(.gpu)) }
                let ok =
                    values[0] == 51040 && values[1] == 7 && values[2] == 319 && values[3] == Int(UInt32.max)
                    && values[4] != 0 && values[5] == 1
                k.store(ok.select(k.constant(UInt32(77)), values[0]), to: output)
            }
        }
        // The output starts at -1, so arrival 320 finds 318.
        try requireEqual("report", found, [77])
    }
}

/// Two kernels on two streams: one spins until the other has released its data.
private func messageCase() -> ConformanceCase {
    ConformanceCase("operation message between running kernels") { device in
        let consumer = try KernelBuilder.build("consumer", threads: 32) { k in
            let data = k.pointerParameter("data", to: UInt32.self)
            let flag = k.pointerParameter("flag", to: UInt32.self)
            let output = k.pointerParameter("output", to: UInt32.self)
            let polls = k.variable(k.constant(UInt32(0)))
            k.loop {
                k.breakIf(k.load(flag, order: .acquire(.gpu)) == 1)
                polls.add(1)
                k.breakIf(polls.value > 2_000_000)
                k.sleep(nanoseconds: 100)
            }
            k.store(k.load(data + k.lane), to: output + k.lane)
        }
        let producer = try KernelBuilder.build("producer", threads: 32) { k in
            let data = k.pointerParameter("data", to: UInt32.self)
            let flag = k.pointerParameter("flag", to: UInt32.self)
            k.sleep(nanoseconds: 2_000)
            k.store(k.lane * k.lane, to: data + k.lane)
            k.syncWarp()
            k.if(k.isFirstLane) { k.store(k.constant(UInt32(1)), to: flag, order: .release(.gpu)) }
        }
        let data = try device.makeBuffer([UInt32](repeating: 9, count: 32), label: "data")
        let flag = try device.makeBuffer([UInt32](repeating: 0, count: 4), label: "flag")
        let output = try device.makeBuffer([UInt32](repeating: 0, count: 32), label: "output")
        let (first, second) = (try device.makeStream(label: "consumer"), try device.makeStream(label: "producer"))
        let (waiting, writing) = (try device.load(consumer), try device.load(producer))
        try device.launch(
            waiting, blocks: 1,
            arguments: [.address(data.address), .address(flag.address), .address(output.address)],
            dependentLaunch: false, on: first)
        try device.launch(
            writing, blocks: 1, arguments: [.address(data.address), .address(flag.address)], dependentLaunch: false,
            on: second)
        try device.synchronize()
        try requireEqual(
            "message", try device.read(UInt32.self, count: 32, from: output), lanes.map { $0 * $0 })
    }
}

private func timerCase() -> ConformanceCase {
    ConformanceCase("operation timer and sleep") { device in
        let found = try runKernel(on: device, name: "timer", outputWords: 1) { k, _, output, _ in
            let start = k.globalTimer
            k.for(to: 40) { _ in k.sleep(nanoseconds: 1_000) }
            k.if(k.isFirstLane) { k.store((k.globalTimer - start).low, to: output) }
        }
        try require((5_000...4_000_000).contains(found[0]), "40 sleeps of 1000 ns took \(found[0]) ns")
    }
}
