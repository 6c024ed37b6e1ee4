import ExpertKernels
import ExpertParallel

/// Options that several benchmarks and `swiftep run` share.
enum BenchOptions {
    /// A list of token counts; `of` says whose, and `standard` what is taken without the option.
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
            + "they come free. Default: 0 without links; with links from 3 to 27 % of the rank's share, by the number "
            + "of rows that come home.")

    static let link = Option<LinkModel>(
        "link", "RATE,LATENCY",
        help:
            "Models a link between each ordered pair of ranks, such as 50GB/s,5us: a row counts as arrived only when "
            + "such a link would have delivered it, which must be sooner than waits are given up. Default: none, rows "
            + "arrive as fast as they are written.",
        expected: "a rate from 0.1GB/s to 10000GB/s and a latency in ns, us, ms or s up to 1s, such as 50GB/s,5us"
    ) { text in
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].hasSuffix("GB/s"), let rate = decimal(parts[0].dropLast(4)),
            let latency = nanoseconds(parts[1]), latency <= 1e9
        else { return nil }
        return try? LinkModel(bytesPerSecond: rate * 1e9, latencyNanoseconds: Int(latency.rounded()))
    }

    /// Nanoseconds of a time with its unit.
    private static func nanoseconds(_ text: Substring) -> Double? {
        // The unit that ends all others comes last.
        let units = [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9)]
        guard let (unit, factor) = units.first(where: { text.hasSuffix($0.0) }) else { return nil }
        return decimal(text.dropLast(unit.count)).map { $0 * factor }
    }

    /// A decimal number without sign or exponent.
    private static func decimal(_ text: Substring) -> Double? {
        let digits = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard digits.allSatisfy({ isDigits(String($0)) }) else { return nil }
        return Double(text)
    }
}
