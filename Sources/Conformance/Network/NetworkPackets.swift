import Accelerator
import ExpertKernels
import KernelLanguage

/// Packets that two ranks send each other at once, round by round: the smallest protocol in which each promise of a
/// network adapter is needed.
///
/// Each warp stages a packet in one of two places in turn, and puts it with an add to a counter of its own, which only
/// grows. Warps of the other rank wait for the counters of both, read both packets, and answer; only then is the place
/// free for the next round's.
struct NetworkPackets {
    /// How a warp says that it has read.
    enum Answer: String, CaseIterable, Sendable {
        /// It adds to a counter.
        case add
        /// It puts the number of rounds.
        case word
    }

    let adapter: NetworkAdapter
    let answer: Answer
    var rounds = 4
    /// Words of 32 bits that each lane writes of a packet, at most 78: packets of ranks and rounds have numbers of
    /// their own.
    var wordsPerLane = 1

    private static let warps = 2
    /// Words before the packets: for each warp of the other rank its 64-bit counter of packets, then of answers.
    private static let headerWords = 16

    private var packetWords: Int { 32 * wordsPerLane }

    /// What each rank has read.
    func run(on device: any Device) throws -> [[UInt32]] {
        try NetworkPair.run(
            on: device, adapter, name: "network_packets", threads: 32 * Self.warps,
            windowWords: Self.headerWords + Self.warps * packetWords, stagingWords: 2 * Self.warps * packetWords,
            outputWords: rounds * Self.warps * Self.warps * packetWords, build)
    }

    /// What each rank must have read: `[round, reading warp, sending warp, word]`.
    var expected: [[UInt32]] {
        (0..<2).map { rank in
            var words: [UInt32] = []
            for round in 0..<rounds {
                for _ in 0..<Self.warps {
                    for word in 0..<Self.warps * packetWords {
                        words.append(UInt32((round + 1) * 10_000 + (1 - rank) * 5_000 + word))
                    }
                }
            }
            return words
        }
    }

    private func build(_ k: KernelBuilder, _ side: NetworkPair.Side) {
        let warp = k.warpIndex
        let path = side.path(channel: warp)
        let own = warp.multiply(packetWords, add: k.constant(UInt32(0)))
        let counters = side.own.cast(to: UInt64.self)
        let (theirs, packets) = (side.other.cast(to: UInt64.self), side.own + Self.headerWords)
        k.for(to: rounds) { round in
            let staged = side.staging + (round & 1).multiply(Self.warps * packetWords, add: own)
            k.if(round >= 2 && k.isFirstLane) { side.flush(k, path) }
            k.syncWarp()
            let value = (round + 1) * 10_000 + side.rank * 5_000 + own
            for part in 0..<wordsPerLane {
                let word = k.lane + part * 32
                k.store(value + word, to: staged + word)
            }
            // Both warps there have read the packet before.
            k.if(k.lane < Self.warps) { side.wait(k, for: counters + 2 + k.lane, atLeast: round.wide) }
            side.adapter.put(
                k, staged, to: side.other + Self.headerWords + own, bytes: k.constant(UInt32(packetWords * 4)),
                over: path,
                adding: (k.constant(UInt64(1)), theirs + warp))
            k.if(k.lane < Self.warps) { side.wait(k, for: counters + k.lane, atLeast: (round + 1).wide) }
            k.syncWarp()
            let output = side.output + (round * Self.warps + warp) * (Self.warps * packetWords)
            for part in 0..<Self.warps * wordsPerLane {
                let word = k.lane + part * 32
                k.store(k.load(packets + word), to: output + word)
            }
            k.syncWarp()
            k.if(k.isFirstLane) {
                switch answer {
                case .add: side.adapter.add(k, k.constant(UInt64(1)), to: theirs + 2 + warp, over: path)
                case .word: side.adapter.put(k, word: (round + 1).wide, to: theirs + 2 + warp, over: path)
                }
            }
        }
        // A kernel's end waits for no answer, and the memory that it goes to may be gone then.
        k.if(k.lane < Self.warps) { side.wait(k, for: counters + 2 + k.lane, atLeast: k.constant(UInt64(rounds))) }
    }
}
