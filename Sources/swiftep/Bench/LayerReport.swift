import Accelerator
import ExpertKernels

/// The results of the benchmarks of the layer and of its communication.
struct LayerReport: BenchReport {
    /// Fields that all entries share.
    struct Header: Encodable {
        let ranks: Int
        let processes: Int
        let devices: Int
        /// Whether ranks that are lost are masked, which costs a pass over dispatched rows.
        let onFailure: String
        let experts: Int
        let hidden: Int
        let intermediate: Int
        let topK: Int
        let sharedExpert: Bool
        let link: String?
        /// Whether other work between steps copies or reads, bytes that it reads or writes, and bytes of the memory that it
        /// goes round; nil without.
        let betweenWork: String?
        let betweenBytes: Int?
        let betweenMemoryBytes: Int?
        /// The network between ranks; nil for loads and stores.
        let network: String?
        /// The modelled cards of a network; nil without.
        let networkLink: String?
    }

    /// One number of tokens in one mode or phase.
    struct Entry: Encodable {
        let tokens: Int
        /// See `BenchRouting`.
        let routing: String
        /// Overlap mode or phase.
        let what: String
        /// With work between steps, its own time is taken out.
        let minimumMicroseconds: Double
        let medianMicroseconds: Double
        let maximumMicroseconds: Double
        /// Rows of each expert, among those of all ranks.
        let rowsOfExperts: [Int]
        /// Fields of a layer beyond its communication.
        var layer: Layer?
        /// Bytes of rows that each rank sends, and their rate in 10⁹ bytes per second, at the median.
        var rowBytes: Int?
        var gigabytesPerSecond: Double?
        /// The time of the modelled link or network cards for the step or phase, 0 without; see `LinkTime`.
        var linkMicroseconds: Double = 0
        /// The same step where nothing is modelled.
        var withoutLinkMicroseconds: Double?
        /// The share of the link's time that is hidden: by which the step does not take longer than without.
        var hiddenShare: Double?
        /// The most of the link's time that can be hidden, see `LinkTime.hideable`.
        var hideableMicroseconds: Double?
        /// The hidden time as a share of that.
        var hiddenShareOfHideable: Double?
    }

    /// Fields of a layer beyond its communication, encoded among those of the entry.
    struct Layer: Encodable {
        /// A kernel that only reads the weights of experts that have rows, round as many sets as layers do.
        let floorMicroseconds: Double
        /// The larger of that and the link's time.
        let idealMicroseconds: Double
        /// Experts of the device that have rows, shared ones among them.
        let expertsRead: Int
        /// Layers that steps go round.
        let weightSets: Int
        /// See `L2SetAside`.
        let setAside: String
        /// Megabytes (10⁶ bytes) of the L2 that are set aside; nil where that is left to the driver.
        let setAsideL2Megabytes: Double?
        /// A step with nothing between steps, at the median; nil where that is `medianMicroseconds`.
        let aloneMicroseconds: Double?
        /// The work between steps by itself, at the median.
        let betweenMicroseconds: Double?
    }

    let machine: BenchMachine
    let header: Header
    /// The work between steps; nil without.
    let between: BetweenWork.Amount?
    private(set) var entries: [Entry] = []

    init(_ processes: Processes, _ plan: LayerBench.Plan) {
        machine = BenchMachine(processes.device.properties)
        let shape = plan.shape
        between = plan.between
        header = Header(
            ranks: shape.ranks, processes: processes.count, devices: processes.group?.extent.devices ?? 1,
            onFailure: plan.onFailure.rawValue, experts: shape.experts, hidden: shape.hidden,
            intermediate: shape.intermediate, topK: shape.topK, sharedExpert: shape.sharedExperts > 0,
            link: plan.link?.description, betweenWork: plan.between?.direction.rawValue,
            betweenBytes: plan.between?.bytes, betweenMemoryBytes: plan.between?.memoryBytes,
            network: processes.description(of: plan.network), networkLink: plan.network?.model?.description)
    }

    /// Adds the times of one phase.
    ///
    /// - Parameters:
    ///   - rowBytes: Bytes of rows that each rank sends.
    ///   - modelled: The phase's part of the modelled time.
    mutating func add(
        _ plan: LayerBench.Plan, _ what: String, _ times: LayerBench.Times, rowBytes: Int,
        modelled: KeyPath<LinkTime, Double>
    ) {
        let routing = plan.routings.first ?? .even
        var entry = Entry(
            plan.shape.maxTokens, routing, what, times,
            rows: BenchRouting.rows(routing.inputs(plan.shape), plan.shape))
        entry.rowBytes = rowBytes
        entry.linkMicroseconds = LinkTime(plan, routing)?[keyPath: modelled] ?? 0
        if entry.medianMicroseconds > 0 {
            entry.gigabytesPerSecond = Double(rowBytes) / entry.medianMicroseconds / 1e3
        }
        entries.append(entry)
    }

    /// Adds the times of one mode, an entry for each choice of the L2's part.
    ///
    /// - Parameter withoutLink: The same where nothing is modelled, if something is.
    mutating func add(_ plan: LayerBench.Plan, _ measured: LayerMeasurement, withoutLink: LayerMeasurement? = nil) {
        let link = LinkTime(plan, measured.routing)
        for (index, times) in measured.times.enumerated() {
            var entry = Entry(
                measured.tokens, measured.routing, measured.mode.rawValue, times.step, rows: measured.rowsOfExperts)
            let total = link?.total ?? 0
            entry.layer = Layer(
                floorMicroseconds: measured.floor, idealMicroseconds: max(measured.floor, total),
                expertsRead: measured.expertsRead, weightSets: measured.weightSets,
                setAside: times.setAside.rawValue, setAsideL2Megabytes: times.setAsideBytes.map { Double($0) / 1e6 },
                aloneMicroseconds: times.between == nil ? nil : median(times.alone),
                betweenMicroseconds: times.between?.own)
            if let link, let without = withoutLink.flatMap({ median($0.times[index].step) }) {
                entry.hide(link, plan.shape, without: without)
            }
            entries.append(entry)
        }
    }
}

extension LayerReport.Entry {
    /// An entry without optional fields.
    fileprivate init(
        _ tokens: Int, _ routing: BenchRouting, _ what: String, _ times: LayerBench.Times, rows: [Int]
    ) {
        self.init(
            tokens: tokens, routing: routing.description, what: what, minimumMicroseconds: times.min() ?? 0,
            medianMicroseconds: median(times) ?? 0, maximumMicroseconds: times.max() ?? 0, rowsOfExperts: rows)
    }

    /// Notes how much of the link's time is hidden.
    fileprivate mutating func hide(_ link: LinkTime, _ shape: LayerShape, without: Double) {
        let hidden = link.total - (medianMicroseconds - without)
        let hideable = link.hideable(shape, step: without)
        func share(of whole: Double) -> Double? { whole > 0 ? hidden / whole : nil }
        linkMicroseconds = link.total
        withoutLinkMicroseconds = without
        hiddenShare = share(of: link.total)
        hideableMicroseconds = hideable
        hiddenShareOfHideable = share(of: hideable)
    }

    private enum CodingKeys: CodingKey {
        case tokens, routing, what, minimumMicroseconds, medianMicroseconds, maximumMicroseconds, rowsOfExperts,
            rowBytes, gigabytesPerSecond, linkMicroseconds, withoutLinkMicroseconds, hiddenShare,
            hideableMicroseconds, hiddenShareOfHideable
    }

    /// One flat object.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(tokens, forKey: .tokens)
        try container.encode(routing, forKey: .routing)
        try container.encode(what, forKey: .what)
        try container.encode(minimumMicroseconds, forKey: .minimumMicroseconds)
        try container.encode(medianMicroseconds, forKey: .medianMicroseconds)
        try container.encode(maximumMicroseconds, forKey: .maximumMicroseconds)
        try container.encode(rowsOfExperts, forKey: .rowsOfExperts)
        try container.encodeIfPresent(rowBytes, forKey: .rowBytes)
        try container.encodeIfPresent(gigabytesPerSecond, forKey: .gigabytesPerSecond)
        try container.encode(linkMicroseconds, forKey: .linkMicroseconds)
        try container.encodeIfPresent(withoutLinkMicroseconds, forKey: .withoutLinkMicroseconds)
        try container.encodeIfPresent(hiddenShare, forKey: .hiddenShare)
        try container.encodeIfPresent(hideableMicroseconds, forKey: .hideableMicroseconds)
        try container.encodeIfPresent(hiddenShareOfHideable, forKey: .hiddenShareOfHideable)
        try layer?.encode(to: encoder)
    }
}
