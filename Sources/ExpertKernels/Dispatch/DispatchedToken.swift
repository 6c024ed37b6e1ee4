import KernelLanguage

/// One token in the registers of a block: 8 lanes share a group of 128 channels, 16 channels to a lane.
struct DispatchedToken {
    private let window: RankWindow
    private let threads: Int
    /// Groups of the thread, and its part of each: 16 channels, packed in BF16.
    private let parts: [(group: Value<UInt32>, exists: Condition, words: [Value<UInt32>])]

    /// Warps of a thread block that holds a token: enough for most models' tokens in one pass, 4 to 16.
    static func warps(_ shape: LayerShape) -> Int { min(16, max(4, (shape.hiddenGroups + 3) / 4)) }

    /// Loads the token; channels that pad the last group are zeros.
    init(_ k: KernelBuilder, _ window: RankWindow, from row: Pointer<BFloat16>, threads: Int) {
        self.window = window
        self.threads = threads
        let groups = window.shape.hiddenGroups
        let perPass = threads / 8
        parts = (0..<(groups + perPass - 1) / perPass).map { pass in
            let group = (k.threadIndex >> 3) + pass * perPass
            // Lanes beyond the last group take part in its shuffles, and store nothing.
            let known = group.minimum(k.constant(UInt32(groups - 1)))
            let channel = known.multiply(128, add: (k.lane & 7) * 16)
            let channels = (row + channel).cast(to: UInt32.self)
            let exists = group < groups
            let words =
                if window.shape.hidden < (pass + 1) * perPass * ScaleGroup.channels, window.isPadded {
                    [0, 8].flatMap { first in
                        Self.load(k, channels + first / 2, where: channel < window.shape.hidden - first)
                    }
                } else {
                    k.loadVector(channels, count: 4) + k.loadVector(channels + 4, count: 4)
                }
            return (known, exists, words)
        }
    }

    /// Eight channels where the token has them, else zeros.
    private static func load(
        _ k: KernelBuilder, _ channels: Pointer<UInt32>, where exists: Condition
    ) -> [Value<UInt32>] {
        let words = (0..<4).map { _ in k.variable(UInt32(0)) }
        k.if(exists) {
            for (word, value) in zip(words, k.loadVector(channels, count: 4)) { word.value = value }
        }
        return words.map(\.value)
    }

    /// The destination of a copy of the token.
    struct Destination {
        let exists: Condition
        let row: Pointer<UInt32>
        /// The first word of scales; the others follow `scaleRows` apart, or in a packet one behind the other.
        let scales: Pointer<UInt32>
    }

    /// Stores it at all destinations, quantised where rows travel in FP8.
    func store(_ k: KernelBuilder, to destinations: [Destination]) {
        for (group, exists, words) in parts {
            switch window.format {
            case .float8:
                let (packed, quantiser) = quantised(k, words)
                let scales = WarpScales(k, quantiser, window.scaleFormat)
                for destination in destinations {
                    k.if(destination.exists && exists) {
                        // The GEMM finds it in the L2; see `GEMMConfiguration.keepsRows`.
                        k.storeVector(
                            packed, to: destination.row + group.multiply(32, add: (k.lane & 7) * 4), cache: .evictLast)
                        scales.store(k, group: group, window, to: destination.scales)
                    }
                }
            case .bfloat16:
                for destination in destinations {
                    k.if(destination.exists && exists) {
                        let place = destination.row + group.multiply(64, add: (k.lane & 7) * 8)
                        k.storeVector(Array(words[..<4]), to: place)
                        k.storeVector(Array(words[4...]), to: place + 4)
                    }
                }
            }
        }
    }

    /// 16 FP8 values, and the quantiser that the 8 lanes of a group share.
    private func quantised(
        _ k: KernelBuilder, _ words: [Value<UInt32>]
    ) -> (packed: [Value<UInt32>], quantiser: Quantiser) {
        let values = words.flatMap(\.bfloat16Pair)
        let own = values.dropFirst().reduce(values[0].magnitude) { $0.maximum($1.magnitude) }
        let largest = [4, 2, 1].reduce(own) { $0.maximum(k.shuffle($0, exclusiveOr: $1)) }
        let quantiser = Quantiser(k, largest: largest, window.scaleFormat)
        let packed = stride(from: 0, to: 16, by: 4).map { first in
            k.packFloat8(values[first..<first + 4].map { $0 * quantiser.inverse })
        }
        return (packed, quantiser)
    }
}

/// Scales of a warp's four groups as they are stored: each lane has its group's scale, or all lanes have the exponents
/// of all four in one word.
private enum WarpScales {
    case each(Value<Float>)
    case exponents(Value<UInt32>)

    /// All lanes of the warp take part.
    init(_ k: KernelBuilder, _ quantiser: Quantiser, _ format: ScaleFormat) {
        switch format {
        case .float32, .powerOfTwo: self = .each(quantiser.scale)
        case .exponents:
            let own = quantiser.exponent << ((k.lane >> 3) << 3)
            self = .exponents([8, 16].reduce(own) { $0 | k.shuffle($0, exclusiveOr: $1) })
        }
    }

    /// Stores the scales, given the first word of a destination's.
    func store(_ k: KernelBuilder, group: Value<UInt32>, _ window: RankWindow, to first: Pointer<UInt32>) {
        func place(_ word: Value<UInt32>) -> Pointer<UInt32> {
            window.masks ? first + word : first + word.multipliedWide(by: window.shape.scaleRows)
        }
        switch self {
        case .each(let scale): k.if((k.lane & 7) == 0) { k.store(scale, to: place(group).cast(to: Float.self)) }
        // The first lane's group is the first of four.
        case .exponents(let word): k.if(k.isFirstLane) { k.store(word, to: place(group >> 2)) }
        }
    }
}
