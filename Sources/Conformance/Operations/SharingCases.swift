import Accelerator
import KernelLanguage

/// Memory that processes share, opened in one process.
func sharingCases() -> [ConformanceCase] { [sharedMemoryCase(), sharedSignalCase()] }

/// Kernels write through one address and read through the other, both ways.
private func sharedMemoryCase() -> ConformanceCase {
    ConformanceCase("operation shared memory opened again in the same process") { device in
        let copy = try device.load(
            KernelBuilder.build("copy", threads: 64) { k in
                let source = k.pointerParameter("source", to: UInt32.self)
                let target = k.pointerParameter("target", to: UInt32.self)
                let index = k.blockIndex.multiply(64, add: k.threadIndex)
                k.store(k.load(source + index) * 3 + 1, to: target + index)
            })
        // More than the 2 MiB in which GPUs give such memory.
        let (words, bytes) = (64 * 8, (2 << 20) + 64 * 8 * 4)
        let end = bytes - words * 4
        let own = try device.allocateShareable(bytes: bytes, label: "window")
        let opened = try device.open(device.export(own), bytes: bytes, label: "window opened again")
        let plain = try device.makeBuffer([UInt32](0..<UInt32(words)), label: "plain")
        let stream = try device.makeStream(label: "shared memory")
        var expected = [UInt32](0..<UInt32(words))
        for (name, first, second) in [("opened", own, opened), ("made", opened, own)] {
            for address in [first.address, first.address + UInt64(end)] {
                let other = second.address + (address - first.address)
                for (source, target) in [(plain.address, address), (other, plain.address)] {
                    try device.launch(
                        copy, blocks: words / 64, arguments: [.address(source), .address(target)],
                        dependentLaunch: false, on: stream)
                }
                expected = expected.map { ($0 &* 3 &+ 1) &* 3 &+ 1 }
            }
            try device.synchronize(stream)
            try requireEqual(
                "read where it was \(name)", try device.read(UInt32.self, count: words, from: plain), expected)
        }
    }
}

/// Kernels that run at once pass a word to and fro, each at an address of its own.
private func sharedSignalCase() -> ConformanceCase {
    ConformanceCase("operation signals through two addresses of shared memory") { device in
        let rounds = 50
        let player = try device.load(
            KernelBuilder.build("player", threads: 32) { k in
                let words = k.pointerParameter("words", to: UInt32.self)
                let own = k.parameter("own", UInt32.self)
                let sums = k.pointerParameter("sums", to: UInt32.self)
                let (round, sum) = (k.variable(UInt32(0)), k.variable(UInt32(0)))
                k.loop {
                    k.breakIf(round.value == k.constant(UInt32(rounds)))
                    let turn = round.value * 2 + own
                    k.loop { k.breakIf(k.load(words, order: .acquire(.system)) == turn) }
                    sum.value = sum.value + k.load(words + (k.constant(64) - own * 32 + k.lane))
                    round.add(1)
                    k.store(round.value * 32 + k.lane, to: words + (k.constant(32) + own * 32 + k.lane))
                    k.syncWarp()
                    k.if(k.isFirstLane) { k.store(turn + 1, to: words, order: .release(.system)) }
                }
                k.store(sum.value, to: sums + (own * 32 + k.lane))
            })
        let own = try device.allocateShareable(bytes: 4096, label: "window")
        let opened = try device.open(device.export(own), bytes: 4096, label: "window opened again")
        let sums = try device.makeBuffer([UInt32](repeating: 0, count: 64), label: "sums")
        try device.write([UInt32](repeating: 0, count: 96), to: own)
        let streams = try (0..<2).map { try device.makeStream(label: "side \($0)", rank: $0) }
        for (side, (stream, window)) in zip(streams, [own, opened]).enumerated() {
            try device.launch(
                player, blocks: 1,
                arguments: [.address(window.address), .uint32(UInt32(side)), .address(sums.address)],
                dependentLaunch: false, on: stream)
        }
        try device.synchronize()
        // The second side also sees the last round; the first one sees nothing in its first.
        let whole = (1...rounds).reduce(0) { $0 + $1 * 32 }
        let expected = (0..<64).map { place -> UInt32 in
            let (side, lane) = (place / 32, place % 32)
            let seen = side == 0 ? rounds - 1 : rounds
            return UInt32(whole - (side == 0 ? rounds * 32 : 0) + seen * lane)
        }
        try requireEqual("sums", try device.read(UInt32.self, count: 64, from: sums), expected)
    }
}
