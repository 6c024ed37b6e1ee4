import Accelerator
import ExpertKernels

/// What the benchmarks of the layer and of its communication found.
struct LayerReport: Encodable {
    /// One number of tokens in one mode or phase.
    struct Entry: Encodable {
        let tokens: Int
        /// Overlap mode or phase.
        let what: String
        let minimumMicroseconds: Double
        let medianMicroseconds: Double
        let maximumMicroseconds: Double
        /// The modelled link's time for the step, 0 without one.
        let linkMicroseconds: Double
        /// The same step without links.
        let withoutLinkMicroseconds: Double?
        /// The larger of reading the weights and the link's time.
        let idealMicroseconds: Double?
        /// The share of the link's time that the step does not take longer for than without links.
        let hidden: Double?
        /// What can be hidden of the link's time at most, see `LinkTime.hideable`.
        let hideableMicroseconds: Double?
        /// What is hidden as a share of that.
        let hiddenOfHideable: Double?
    }

    let device: String
    let simulated: Bool
    let ranks: Int
    let processes: Int
    let devices: Int
    /// Whether ranks that are lost are masked, which costs a pass over dispatched rows.
    let onFailure: String
    /// What is between ranks; nil for loads and stores.
    let network: String?
    let experts: Int
    let hidden: Int
    let intermediate: Int
    let topK: Int
    let sharedExpert: Bool
    let link: String?
    /// A kernel that only reads the weights of all experts; nil where they are not read.
    let floorMicroseconds: Double?
    private(set) var entries: [Entry] = []

    init(_ processes: Processes, _ plan: LayerBench.Plan, floor: Double?) {
        let device = processes.device.properties
        self.processes = processes.count
        devices = processes.group?.extent.devices ?? 1
        onFailure = plan.onFailure.rawValue
        network = plan.network?.description
        self.device = device.name
        simulated = device.kind == .simulator
        ranks = plan.shape.ranks
        experts = plan.shape.experts
        hidden = plan.shape.hidden
        intermediate = plan.shape.intermediate
        topK = plan.shape.topK
        sharedExpert = plan.shape.sharedExperts > 0
        link = plan.link?.description
        floorMicroseconds = floor
    }

    /// Adds the times of one mode or phase.
    ///
    /// - Parameter withoutLink: The median of the same without links, where there are links.
    mutating func add(
        _ shape: LayerShape, _ what: String, _ times: LayerBench.Times, link: LinkTime? = nil,
        withoutLink: Double? = nil
    ) {
        let middle = median(times) ?? 0
        var (hidden, hideable): (Double?, Double?)
        if let link, let withoutLink {
            hidden = link.total - (middle - withoutLink)
            hideable = link.hideable(shape, step: withoutLink)
        }
        let total = link?.total ?? 0
        func share(of whole: Double?) -> Double? {
            guard let hidden, let whole, whole > 0 else { return nil }
            return hidden / whole
        }
        entries.append(
            Entry(
                tokens: shape.maxTokens, what: what, minimumMicroseconds: times.min() ?? 0, medianMicroseconds: middle,
                maximumMicroseconds: times.max() ?? 0, linkMicroseconds: total,
                withoutLinkMicroseconds: withoutLink,
                idealMicroseconds: floorMicroseconds.map { max($0, total) }, hidden: share(of: total),
                hideableMicroseconds: hideable, hiddenOfHideable: share(of: hideable)))
    }

    /// A table.
    var text: String {
        var columns: [(String, Table.Alignment)] = [
            ("tokens", .right), ("", .left), ("min µs", .right), ("median µs", .right), ("max µs", .right),
        ]
        if floorMicroseconds != nil { columns.append(("of ideal", .right)) }
        if link != nil {
            columns += [("link µs", .right), ("without µs", .right), ("hidden", .right), ("of what can be", .right)]
        }
        var table = Table(columns)
        for entry in entries {
            var cells = [
                "\(entry.tokens)", entry.what, fixed(entry.minimumMicroseconds, 1), fixed(entry.medianMicroseconds, 1),
                fixed(entry.maximumMicroseconds, 1),
            ]
            if let ideal = entry.idealMicroseconds { cells.append(fixed(entry.medianMicroseconds / ideal, 3)) }
            if link != nil {
                cells += [
                    fixed(entry.linkMicroseconds, 1), entry.withoutLinkMicroseconds.map { fixed($0, 1) } ?? "-",
                ]
                cells += [entry.hidden, entry.hiddenOfHideable].map { $0.map { fixed($0 * 100, 0) + " %" } ?? "-" }
            }
            table.add(cells)
        }
        let shared = sharedExpert ? ", shared expert" : ""
        let clock = simulated ? "times are SIMULATED and say nothing about a GPU" : "times of device events"
        let floor = floorMicroseconds.map { "; reading the weights alone takes \(fixed($0, 1)) µs" } ?? ""
        return
            "\(device); \(clock)\n\(ranks) ranks, hidden \(hidden), intermediate \(intermediate), \(experts) experts, "
            + "top-\(topK)\(shared)" + (link.map { ", links of \($0)" } ?? "") + floor + "\n\n\(table)"
    }
}
