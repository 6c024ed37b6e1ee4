import Accelerator
import ExpertKernels
import KernelLanguage

/// What network adapters promise: the loopback on every device, an engine where there is one to test with.
func networkCases(for kind: DeviceProperties.Kind) -> [ConformanceCase] {
    let adapters: [NetworkAdapter] = kind == .simulator ? NetworkAdapter.allCases : [.loopback]
    return adapters.flatMap { adapter in
        [16, 48, 7184].map { putCase(adapter, bytes: $0) }
            + [addCase(adapter), wordCase(adapter), flushCase(adapter), manyPutsCase(adapter)]
            + NetworkPackets.Answer.allCases.map { packetsCase(adapter, $0) }
    }
}

/// Bytes that each rank puts to the other, read behind their signal.
private func putCase(_ adapter: NetworkAdapter, bytes: Int) -> ConformanceCase {
    ConformanceCase("network put of \(bytes) bytes with a signal, \(adapter.rawValue)") { device in
        let (words, header) = (bytes / 4, 4)
        let found = try NetworkPair.run(
            on: device, adapter, name: "network_put", windowWords: header + words, stagingWords: words,
            outputWords: words
        ) { k, side in
            k.for(from: k.lane, to: words, by: 32) { k.store($0 * 3 + side.rank, to: side.staging + $0) }
            let (own, other) = (side.own.cast(to: UInt64.self), side.other.cast(to: UInt64.self))
            adapter.put(
                k, side.staging, to: side.other + header, bytes: k.constant(UInt32(bytes)), over: side.path,
                adding: (k.constant(UInt64(5)), other))
            side.wait(k, for: own, atLeast: k.constant(5))
            k.for(from: k.lane, to: words, by: 32) { k.store(k.load(side.own + header + $0), to: side.output + $0) }
        }
        for rank in 0..<2 {
            try requireEqual("rank \(rank)", found[rank], (0..<words).map { UInt32($0 * 3 + 1 - rank) })
        }
    }
}

/// No add is lost, of lanes that add at once and of both ranks, to the own word as well.
private func addCase(_ adapter: NetworkAdapter) -> ConformanceCase {
    ConformanceCase("network adds of both ranks to one word, \(adapter.rawValue)") { device in
        let sum: UInt64 = 2 * (1...32).reduce(0, +) << 32
        let found = try NetworkPair.run(
            on: device, adapter, name: "network_add", windowWords: 4, stagingWords: 4, outputWords: 2
        ) { k, side in
            let (own, other) = (side.own.cast(to: UInt64.self), side.other.cast(to: UInt64.self))
            let path = side.path
            let value = (k.lane + 1).wide << 32
            adapter.add(k, value, to: other, over: path)
            adapter.add(
                k, value, to: own, over: NetworkPath(context: path.context, peer: side.rank, channel: path.channel))
            side.wait(k, for: own, atLeast: k.constant(sum))
            k.if(k.isFirstLane) {
                k.store(k.load(own, order: .acquire(.system)), to: side.output.cast(to: UInt64.self))
            }
        }
        for rank in 0..<2 { try requireEqual("rank \(rank)", found[rank], [0, UInt32(sum >> 32)]) }
    }
}

/// Words are seen whole.
private func wordCase(_ adapter: NetworkAdapter) -> ConformanceCase {
    ConformanceCase("network puts of words, \(adapter.rawValue)") { device in
        let found = try NetworkPair.run(
            on: device, adapter, name: "network_word", windowWords: 64, stagingWords: 4, outputWords: 64
        ) { k, side in
            let number = (side.rank * 32 + k.lane + 1).wide
            let (own, other) = (side.own.cast(to: UInt64.self), side.other.cast(to: UInt64.self))
            adapter.put(k, word: number << 32 | number, to: other + k.lane, over: side.path)
            // The first value other than zero is all of it.
            side.wait(k, for: own + k.lane, atLeast: k.constant(1))
            let seen = k.load(own + k.lane, order: .acquire(.system))
            k.store(seen, to: side.output.cast(to: UInt64.self) + k.lane)
        }
        for rank in 0..<2 {
            let expected = (0..<64).map { UInt32((1 - rank) * 32 + $0 / 2 + 1) }
            try requireEqual("rank \(rank)", found[rank], expected)
        }
    }
}

/// A source that changes behind a flush, round after round.
private func flushCase(_ adapter: NetworkAdapter) -> ConformanceCase {
    ConformanceCase("network puts of one place that changes behind flushes, \(adapter.rawValue)") { device in
        let (words, header, rounds) = (128, 4, 6)
        let found = try NetworkPair.run(
            on: device, adapter, name: "network_flush", windowWords: header + rounds * words, stagingWords: words,
            outputWords: rounds * words
        ) { k, side in
            let (own, other) = (side.own.cast(to: UInt64.self), side.other.cast(to: UInt64.self))
            let path = side.path
            k.for(to: rounds) { round in
                k.for(from: k.lane, to: words, by: 32) {
                    k.store(round * 1_000 + side.rank * 500 + $0, to: side.staging + $0)
                }
                adapter.put(
                    k, side.staging, to: side.other + header + round * words, bytes: k.constant(UInt32(words * 4)),
                    over: path, adding: (k.constant(UInt64(1)), other))
                k.if(k.isFirstLane) { side.flush(k, path) }
                k.syncWarp()
            }
            side.wait(k, for: own, atLeast: k.constant(UInt64(rounds)))
            k.for(from: k.lane, to: rounds * words, by: 32) {
                k.store(k.load(side.own + header + $0), to: side.output + $0)
            }
        }
        for rank in 0..<2 {
            let expected = (0..<rounds).flatMap { round in
                (0..<words).map { UInt32(round * 1_000 + (1 - rank) * 500 + $0) }
            }
            try requireEqual("rank \(rank)", found[rank], expected)
        }
    }
}

/// More puts than a queue holds.
private func manyPutsCase(_ adapter: NetworkAdapter) -> ConformanceCase {
    ConformanceCase("network puts, more than a queue holds, \(adapter.rawValue)") { device in
        let (puts, header) = (200, 4)
        let found = try NetworkPair.run(
            on: device, adapter, name: "network_puts", windowWords: header + puts * 4, stagingWords: puts * 4,
            outputWords: puts * 4
        ) { k, side in
            let (own, other) = (side.own.cast(to: UInt64.self), side.other.cast(to: UInt64.self))
            k.for(from: k.lane, to: puts * 4, by: 32) { k.store($0 * 7 + side.rank, to: side.staging + $0) }
            k.for(to: puts) { number in
                adapter.put(
                    k, side.staging + number * 4, to: side.other + header + number * 4, bytes: k.constant(UInt32(16)),
                    over: side.path, adding: (k.constant(UInt64(1)), other))
            }
            side.wait(k, for: own, atLeast: k.constant(UInt64(puts)))
            k.for(from: k.lane, to: puts * 4, by: 32) { k.store(k.load(side.own + header + $0), to: side.output + $0) }
        }
        for rank in 0..<2 {
            try requireEqual("rank \(rank)", found[rank], (0..<puts * 4).map { UInt32($0 * 7 + 1 - rank) })
        }
    }
}

/// A protocol that needs all operations together.
private func packetsCase(_ adapter: NetworkAdapter, _ answer: NetworkPackets.Answer) -> ConformanceCase {
    ConformanceCase("network packets answered by \(answer.rawValue), \(adapter.rawValue)") { device in
        let packets = NetworkPackets(adapter: adapter, answer: answer, rounds: 20, wordsPerLane: 8)
        let found = try packets.run(on: device)
        for rank in 0..<2 { try requireEqual("rank \(rank)", found[rank], packets.expected[rank]) }
    }
}
