import Accelerator
import ExpertKernels

/// The results of the GEMM measurement.
struct GEMMReport: BenchReport {
    /// Fields that all entries share.
    struct Header: Encodable {
        let experts: Int
        let n: Int
        let k: Int
        /// Multiprocessors that the GEMM runs on.
        let gemmMultiprocessors: Int
        /// Whether N is gate and up, and the output SwiGLU of them.
        let swiGLU: Bool
        let signals: Bool
        /// Whether a launch loads weights while the one before it ends.
        let dependent: Bool
        /// Sets of weights that launches go round.
        let weightSets: Int
        /// A kernel that only reads the weights, on all multiprocessors.
        let floorMicroseconds: Double
    }

    /// One number of tokens.
    struct Entry: Encodable {
        let tokens: Int
        let configuration: String
        /// See `TilePlan`.
        let schedule: String
        /// Megabytes (10⁶ bytes) of the L2 that are set aside for data kept there, such as outputs.
        let setAsideL2Megabytes: Double
        let minimumMicroseconds: Double
        let medianMicroseconds: Double
        let maximumMicroseconds: Double
        /// Weights, rows and outputs, each moved once, at the median.
        let terabytesPerSecond: Double
        /// Multiplications and additions, at the median.
        let teraflopsPerSecond: Double
        /// Median over the floor.
        let ratioToFloor: Double
        /// A kernel that reads the weights and writes as many bytes as the output has, to memory.
        let floorWithOutputMicroseconds: Double
    }

    let machine: BenchMachine
    let header: Header
    private(set) var entries: [Entry] = []

    init(_ device: DeviceProperties, _ header: Header) {
        machine = BenchMachine(device)
        self.header = header
    }

    /// Adds the times of one number of tokens.
    mutating func add(
        tokens: Int, configuration: GEMMConfiguration, setAsideL2Bytes: Int, nanoseconds: [Double],
        floorWithOutput: Double
    ) {
        let middle = median(nanoseconds) ?? 0
        let (experts, n, k) = (header.experts, header.n, header.k)
        let bytes = Double(experts * (n * k + tokens * (k + 2 * n)))
        let operations = 2 * Double(experts * tokens) * Double(n * k)
        entries.append(
            Entry(
                tokens: tokens, configuration: configuration.description,
                schedule: TilePlan(
                    configuration, counts: [Int](repeating: tokens, count: experts),
                    gridSize: header.gemmMultiprocessors
                ).description,
                setAsideL2Megabytes: Double(setAsideL2Bytes) / 1e6,
                minimumMicroseconds: (nanoseconds.min() ?? 0) / 1e3, medianMicroseconds: middle / 1e3,
                maximumMicroseconds: (nanoseconds.max() ?? 0) / 1e3,
                terabytesPerSecond: middle > 0 ? bytes / middle / 1e3 : 0,
                teraflopsPerSecond: middle > 0 ? operations / middle / 1e3 : 0,
                ratioToFloor: header.floorMicroseconds > 0 ? middle / 1e3 / header.floorMicroseconds : 0,
                floorWithOutputMicroseconds: floorWithOutput))
    }

    /// A table.
    var text: String {
        var table = Table([
            ("tokens", .right), ("min µs", .right), ("median µs", .right), ("max µs", .right), ("TB/s", .right),
            ("TFLOP/s", .right), ("of floor", .right), ("with output µs", .right), ("kept MB", .right),
            ("configuration", .left), ("schedule", .left),
        ])
        for entry in entries {
            table.add([
                "\(entry.tokens)", fixed(entry.minimumMicroseconds, 1), fixed(entry.medianMicroseconds, 1),
                fixed(entry.maximumMicroseconds, 1), fixed(entry.terabytesPerSecond, 2),
                fixed(entry.teraflopsPerSecond, 1), fixed(entry.ratioToFloor, 3),
                fixed(entry.floorWithOutputMicroseconds, 1), fixed(entry.setAsideL2Megabytes, 1),
                entry.configuration, entry.schedule,
            ])
        }
        return
            "\(machine.device), \(header.gemmMultiprocessors) multiprocessors; \(machine.clock)\n"
            + "\(header.experts) x [\(header.n), \(header.k)]\(header.signals ? ", signals" : ""), "
            + "\(header.weightSets) sets of weights in turn; "
            + "reading the weights alone takes \(fixed(header.floorMicroseconds, 1)) µs; \"with output\" also writes as "
            + "much as the output to memory; \"kept\" is the part of the L2 that is set aside\n\n\(table)"
    }
}
