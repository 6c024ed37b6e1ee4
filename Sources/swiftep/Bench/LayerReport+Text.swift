extension LayerReport {
    /// A table, and beneath it the tokens' choices of experts, and the gain and cost of setting a part of the L2 aside.
    var text: String {
        let columns = columns
        var table = Table(columns.map { ($0.title, $0.alignment) })
        for entry in entries { table.add(columns.map { $0.cell(entry) }) }
        return "\(machine.device); \(machine.clock)\n\(sizes)\n\n\(table)"
            + (routings + setAside).map { "\n\n" + $0 }.joined()
    }

    private var sizes: String {
        "\(header.ranks) ranks, hidden \(header.hidden), intermediate \(header.intermediate), \(header.experts) experts, "
            + "top-\(header.topK)" + (header.sharedExpert ? ", shared expert" : "")
            + (header.link.map { ", links of \($0)" } ?? "") + (header.network.map { ", network: \($0)" } ?? "")
    }

    private typealias Column = (title: String, alignment: Table.Alignment, cell: (Entry) -> String)

    private static func microseconds(_ title: String, _ value: @escaping (Entry) -> Double?) -> Column {
        (title, .right, { value($0).map { fixed($0, 1) } ?? "-" })
    }

    private static func share(_ title: String, _ value: @escaping (Entry) -> Double?) -> Column {
        (title, .right, { value($0).map { fixed($0 * 100, 0) + " %" } ?? "-" })
    }

    private var columns: [Column] {
        var columns: [Column] = [("tokens", .right, { "\($0.tokens)" })]
        if Set(entries.map(\.routing)).count > 1 { columns.append(("routing", .left, { $0.routing })) }
        columns.append(("", .left, { $0.what }))
        let layers = entries.compactMap(\.layer)
        if Set(layers.map(\.setAside)).count > 1 {
            columns.append(("set aside by", .left, { $0.layer?.setAside ?? "" }))
        }
        columns += [
            Self.microseconds("min µs") { $0.minimumMicroseconds },
            Self.microseconds("median µs") { $0.medianMicroseconds },
            Self.microseconds("max µs") { $0.maximumMicroseconds },
        ]
        if between != nil {
            columns += [
                Self.microseconds("alone µs") { $0.layer?.aloneMicroseconds },
                Self.microseconds("between µs") { $0.layer?.betweenMicroseconds },
            ]
        }
        if !layers.isEmpty {
            columns += [
                Self.microseconds("floor µs") { $0.layer?.floorMicroseconds },
                (
                    "of ideal", .right,
                    { entry in
                        entry.layer.map { fixed(entry.medianMicroseconds / max($0.idealMicroseconds, 1e-9), 3) } ?? "-"
                    }
                ),
            ]
        } else {
            columns.append(("GB/s", .right, { $0.gigabytesPerSecond.map { fixed($0, 1) } ?? "-" }))
        }
        if header.link != nil || header.networkLink != nil {
            columns.append(
                Self.microseconds(header.link == nil ? "network µs" : "link µs") { $0.linkMicroseconds })
        }
        if entries.contains(where: { $0.withoutLinkMicroseconds != nil }) {
            columns += [
                Self.microseconds("without µs") { $0.withoutLinkMicroseconds },
                Self.share("hidden") { $0.hiddenShare }, Self.share("of what can be") { $0.hiddenShareOfHideable },
            ]
        }
        return columns
    }

    /// Most experts whose rows are spelled out.
    private static var shownExperts: Int { 64 }

    /// For each number of tokens and routing, the rows of experts.
    private var routings: [String] {
        var seen: Set<[String]> = []
        let lines = entries.filter { seen.insert(["\($0.tokens)", $0.routing]).inserted }.map { entry in
            let rows = entry.rowsOfExperts
            let shown = rows.prefix(Self.shownExperts).map { "\($0)" }.joined(separator: " ")
            return "\(entry.tokens) tokens, \(entry.routing): \(rows.count { $0 > 0 }) of \(rows.count) experts have "
                + "rows, at most \(rows.max() ?? 0): \(shown)" + (rows.count > Self.shownExperts ? " …" : "")
        }
        return lines.isEmpty ? [] : ["Rows of experts:\n" + lines.joined(separator: "\n")]
    }

    /// The times of layers and the work between them with the layers' part of the L2 set aside, and with the driver's.
    private var setAside: [String] {
        guard let between else { return [] }
        let with = entries.filter { $0.layer?.setAside == L2SetAside.layer.rawValue }
        let without = entries.filter { $0.layer?.setAside == L2SetAside.driver.rawValue }
        let introduction =
            "Between steps others \(between); their own time, measured alone, is taken out."
        guard !without.isEmpty else { return [introduction] }
        let lines = zip(with, without).compactMap { with, without -> String? in
            guard let (a, b) = with.layer.flatMap({ a in without.layer.map { (a, $0) } }),
                let mine = a.betweenMicroseconds, let theirs = b.betweenMicroseconds
            else { return nil }
            return
                "\(with.tokens) tokens, \(with.routing), \(with.what): \(fixed(a.setAsideL2Megabytes ?? 0, 1)) MB set "
                + "aside gain a step \(fixed(without.medianMicroseconds - with.medianMicroseconds, 1)) µs and cost the "
                + "work in between \(fixed(mine - theirs, 1)) of \(fixed(theirs, 1)) µs"
        }
        return [([introduction] + lines).joined(separator: "\n")]
    }
}
