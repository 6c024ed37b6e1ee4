import Accelerator
import ExpertKernels
import KernelLanguage

/// Two ranks on one device that reach each other by a network adapter alone, and run the same kernel.
///
/// A rank has 32-bit words of its own that the other may write (its window), and others that only it uses.
struct NetworkPair {
    /// A rank as its kernel sees it.
    struct Side {
        let adapter: NetworkAdapter
        /// The own window, and the other rank's as the adapter addresses it.
        let own: Pointer<UInt32>
        let other: Pointer<UInt32>
        /// Words that the other rank does not reach: the sources of puts.
        let staging: Pointer<UInt32>
        /// What the case looks at.
        let output: Pointer<UInt32>
        /// 0 or 1.
        let rank: Value<UInt32>
        let context: Value<UInt64>
        let waitLimit: Value<UInt64>

        /// The way to the other rank.
        func path(channel: Value<UInt32>) -> NetworkPath {
            NetworkPath(context: context, peer: rank.builder.constant(1) - rank, channel: channel)
        }

        /// The way to the other rank on channel 0.
        var path: NetworkPath { path(channel: rank.builder.constant(UInt32(0))) }

        /// Waits until `word` is at least `value`, for `waitLimit` at most: what the case then finds is wrong.
        func wait(_ k: KernelBuilder, for word: Pointer<UInt64>, atLeast value: Value<UInt64>) {
            let start = k.globalTimer
            k.loop {
                k.breakIf(k.load(word, order: .acquire(.system)) >= value)
                k.breakIf(k.globalTimer - start > waitLimit)
                k.sleep(nanoseconds: 40)
            }
        }

        /// Waits until sources on the path may be overwritten, likewise.
        func flush(_ k: KernelBuilder, _ path: NetworkPath) {
            let start = k.globalTimer
            k.loop {
                k.breakIf(adapter.isFlushed(k, path))
                k.breakIf(k.globalTimer - start > waitLimit)
                k.sleep(nanoseconds: 40)
            }
        }
    }

    private struct Parameters: KernelParameters {
        var own: MemoryParameter<UInt32>
        var other: MemoryParameter<UInt32>
        var staging: MemoryParameter<UInt32>
        var output: MemoryParameter<UInt32>
        var rank: ScalarParameter<UInt32>
        var networkContext: ScalarParameter<UInt64>
        var waitLimit: ScalarParameter<UInt64>
    }

    /// What each rank's kernel left in its output; words that it left out are 0xFFFFFFFF.
    ///
    /// - Parameters:
    ///   - windowWords: Words of a window, zero at first.
    ///   - stagingWords: Words that only the rank itself uses, zero at first.
    ///   - body: The kernel of both ranks.
    static func run(
        on device: any Device, _ adapter: NetworkAdapter, name: String, threads: Int = 32, windowWords: Int,
        stagingWords: Int, outputWords: Int, _ body: (KernelBuilder, Side) -> Void
    ) throws -> [[UInt32]] {
        let kernel = try kernel(adapter, name: name, threads: threads, body)
        let loaded = try device.load(kernel)
        func buffers(_ words: Int, _ value: UInt32, _ label: String) throws -> [DeviceBuffer] {
            try (0..<2).map {
                try device.makeBuffer([UInt32](repeating: value, count: words), label: "\(label) of rank \($0)")
            }
        }
        let windows = try buffers(windowWords, 0, "window")
        let staging = try buffers(stagingWords, 0, "staging")
        let outputs = try buffers(outputWords, .max, "output")
        let streams = try (0..<2).map { try device.makeStream(label: "rank \($0)", rank: $0) }
        for rank in 0..<2 {
            let parameters = Parameters(
                own: MemoryParameter(address: windows[rank].address),
                other: MemoryParameter(address: windows[1 - rank].address),
                staging: MemoryParameter(address: staging[rank].address),
                output: MemoryParameter(address: outputs[rank].address), rank: ScalarParameter(UInt32(rank)),
                networkContext: ScalarParameter(UInt64(0)),
                waitLimit: ScalarParameter(UInt64(device.properties.kind == .cuda ? 2_000_000_000 : 20_000_000)))
            try device.launch(
                loaded, blocks: 1, arguments: KernelArguments([parameters]).ordered(for: kernel),
                dependentLaunch: false, on: streams[rank])
        }
        try device.synchronize()
        return try outputs.map { try device.read(UInt32.self, count: outputWords, from: $0) }
    }

    private static func kernel(
        _ adapter: NetworkAdapter, name: String, threads: Int, _ body: (KernelBuilder, Side) -> Void
    ) throws -> Kernel {
        try KernelBuilder.build(name, threads: threads) { k in
            let p = k.parameters(Parameters.self)
            body(
                k,
                Side(
                    adapter: adapter, own: p.own, other: p.other, staging: p.staging, output: p.output, rank: p.rank,
                    context: p.networkContext, waitLimit: p.waitLimit))
        }
    }
}
