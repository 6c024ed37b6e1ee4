import ExpertKernels
import ExpertParallel

/// Options that several benchmarks and `swiftep run` share.
enum BenchOptions {
    /// A list of token counts; `of` names whose, and `standard` the default.
    static func tokens(of: String, standard: String) -> Option<[Int]> {
        Option(
            "tokens", "M,M,…", help: "Tokens of each \(of), one row of the result for each. Default: \(standard).",
            expected: "whole numbers from 1 to 4096 with commas between them"
        ) { text in
            let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { strictInteger(String($0)) }
            return numbers.allSatisfy { $0.map((1...4096).contains) ?? false } ? numbers.compactMap { $0 } : nil
        }
    }

    static let overlap = Option<[OverlapMode]>(
        "overlap", "MODES",
        help:
            "Comma-separated modes, run one after the other: none (one kernel after the other), singleBatch (Single "
            + "Batch Overlap), twoBatch (Two Batch Overlap), direct (the GEMMs themselves wait for rows and send them "
            + "home). Default: all.",
        expected: "modes out of " + alternatives(OverlapMode.allCases.map(\.rawValue))
            + ", each at most once, separated by commas"
    ) { text in
        let names = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        let modes = names.compactMap(OverlapMode.init(rawValue:))
        return modes.count == names.count && Set(modes).count == modes.count ? modes : nil
    }

    static let communication = Option<Int>.integer(
        "communication-sms", in: 0...1_024,
        help:
            "Multiprocessors of each rank that communicate in overlapped phases; the others compute. They must be "
            + "fewer than the rank's share of the device. With 0 all compute, and the combine send takes them over as "
            + "they come free. Default: 0; with --link or --network-link from 3 to 27 % of the rank's share, by the "
            + "number of rows that come home; between GPUs 9 % for more than 128 rows.")

    static let link = Option<LinkModel>(
        "link", "RATE,LATENCY",
        help:
            "Models a link between each ordered pair of ranks, such as 50GB/s,5us: a row counts as arrived only when "
            + "such a link would have delivered it, which must be sooner than waits are given up. Default: none, rows "
            + "arrive as fast as they are written.",
        expected: "a rate from 0.1GB/s to 10000GB/s and a latency in ns, us, ms or s up to 1s, such as 50GB/s,5us"
    ) { text in
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count == 2, let rate = bytesPerSecond(parts[0]), let latency = nanoseconds(parts[1]) else {
            return nil
        }
        return try? LinkModel(bytesPerSecond: rate, latencyNanoseconds: latency)
    }

    static let skew = Option<Double>.positive(
        "skew", "EXPONENT", limit: 10,
        help:
            "Measures a skewed routing beside the even one: popularities of experts between 1 and 0.8 times the tokens, "
            + "with a density that falls as the power -EXPONENT, such as 1.2.")

    static let between = Option<BetweenWork.Amount>(
        "between", "[read:]BYTES[,MEMORY]",
        help:
            "Lets others copy other memory between steps, such as 200MB, half of them read and half written; or read it, "
            + "as attention reads its cache, such as read:200MB. With MEMORY they go round that much, so that what fits "
            + "the L2 is found there.",
        expected:
            "from 1MB to 16GB in KB, MB or GB, such as 200MB or read:200MB, and if it is given, as much memory or less, "
            + "such as 200MB,20MB"
    ) { text in
        let read = "read:"
        let amount = text.hasPrefix(read) ? text.dropFirst(read.count) : text[...]
        let parts = amount.split(separator: ",", omittingEmptySubsequences: false)
        let sizes = parts.compactMap { bytes($0) }
        guard sizes.count == parts.count, (1...2).contains(sizes.count), let all = sizes.first, let round = sizes.last,
            (1_000_000...16_000_000_000).contains(all), (1_000_000...all).contains(round)
        else { return nil }
        return BetweenWork.Amount(
            direction: text.hasPrefix(read) ? .read : .copy, bytes: all, memoryBytes: round)
    }

    static let setAside = Option<L2SetAside>.choice(
        "set-aside",
        help:
            "Who has a part of the L2 set aside: layer, as much as the layer's kernels hand on to each other; driver, what "
            + "the driver does by itself; none, not even that. Default: driver, and with --between layer as well.")

    /// Bytes of a size with its unit.
    private static func bytes(_ text: Substring) -> Int? {
        let units = [("KB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000)]
        guard let (unit, factor) = units.first(where: { text.hasSuffix($0.0) }),
            let number = strictInteger(String(text.dropLast(unit.count))), (0...1_000_000_000).contains(number)
        else { return nil }
        return number * factor
    }

    /// Bytes in a second of a rate such as 50GB/s.
    static func bytesPerSecond(_ text: Substring) -> Double? {
        text.hasSuffix("GB/s") ? decimal(text.dropLast(4)).map { $0 * 1e9 } : nil
    }

    /// Nanoseconds of a time with its unit, up to a second.
    static func nanoseconds(_ text: Substring) -> Int? {
        // The unit that ends all others comes last.
        let units = [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9)]
        guard let (unit, factor) = units.first(where: { text.hasSuffix($0.0) }) else { return nil }
        guard let time = decimal(text.dropLast(unit.count)), time * factor <= 1e9 else { return nil }
        return Int((time * factor).rounded())
    }

    /// A decimal number without sign or exponent.
    private static func decimal(_ text: Substring) -> Double? {
        let digits = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard digits.allSatisfy({ isDigits(String($0)) }) else { return nil }
        return Double(text)
    }
}
