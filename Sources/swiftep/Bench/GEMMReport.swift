import Accelerator
import ExpertKernels

/// What the GEMM measurement found.
struct GEMMReport: Encodable {
    /// One number of tokens.
    struct Entry: Encodable {
        let tokens: Int
        let configuration: String
        /// See `TilePlan`.
        let schedule: String
        /// Megabytes (10⁶ bytes) of the L2 that are set aside for what is kept there, such as outputs.
        let setAsideL2Megabytes: Double
        let minimumMicroseconds: Double
        let medianMicroseconds: Double
        let maximumMicroseconds: Double
        /// Weights, rows and outputs, each moved once, at the median.
        let terabytesPerSecond: Double
        /// Products and sums at the median.
        let teraflopsPerSecond: Double
        /// Median over the floor.
        let ratioToFloor: Double
        /// A kernel that reads the weights and writes as many bytes as the output has, to memory.
        let floorWithOutputMicroseconds: Double
    }

    let device: String
    /// Whether all times are simulated, and say nothing about a GPU.
    let simulated: Bool
    let experts: Int
    let n: Int
    let k: Int
    let multiprocessors: Int
    let signals: Bool
    /// A kernel that only reads the weights, on all multiprocessors.
    let floorMicroseconds: Double
    private(set) var entries: [Entry] = []

    init(
        device: DeviceProperties, experts: Int, n: Int, k: Int, multiprocessors: Int, signals: Bool,
        floorMicroseconds: Double
    ) {
        self.device = device.name
        simulated = device.kind == .simulator
        self.experts = experts
        self.n = n
        self.k = k
        self.multiprocessors = multiprocessors
        self.signals = signals
        self.floorMicroseconds = floorMicroseconds
    }

    /// Adds the times of one number of tokens.
    mutating func add(
        tokens: Int, configuration: GEMMConfiguration, setAsideL2Bytes: Int, nanoseconds: [Double],
        floorWithOutput: Double
    ) {
        let middle = median(nanoseconds) ?? 0
        let bytes = Double(experts * (n * k + tokens * (k + 2 * n)))
        let operations = 2 * Double(experts * tokens) * Double(n * k)
        entries.append(
            Entry(
                tokens: tokens, configuration: configuration.description,
                schedule: TilePlan(
                    configuration, counts: [Int](repeating: tokens, count: experts), gridSize: multiprocessors
                ).description,
                setAsideL2Megabytes: Double(setAsideL2Bytes) / 1e6,
                minimumMicroseconds: (nanoseconds.min() ?? 0) / 1e3, medianMicroseconds: middle / 1e3,
                maximumMicroseconds: (nanoseconds.max() ?? 0) / 1e3,
                terabytesPerSecond: middle > 0 ? bytes / middle / 1e3 : 0,
                teraflopsPerSecond: middle > 0 ? operations / middle / 1e3 : 0,
                ratioToFloor: floorMicroseconds > 0 ? middle / 1e3 / floorMicroseconds : 0,
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
        let clock = simulated ? "times are SIMULATED and say nothing about a GPU" : "times of device events"
        return
            "\(device), \(multiprocessors) multiprocessors; \(clock)\n"
            + "\(experts) x [\(n), \(k)]\(signals ? ", signals" : ""); "
            + "reading the weights alone takes \(fixed(floorMicroseconds, 1)) µs; \"with output\" also writes as much "
            + "as the output to memory; \"kept\" is the part of the L2 that is set aside\n\n\(table)"
    }
}
