import Accelerator
import Conformance

/// The results of the conformance cases on a device.
struct VerifyReport: Encodable {
    /// One case.
    struct Case: Encodable {
        let name: String
        let passed: Bool
        /// Wall time.
        let seconds: Double
        /// The error; nil for a case that has passed.
        let error: String?

        /// A case that has passed.
        init(passed name: String, seconds: Double) {
            (self.name, passed, self.seconds, error) = (name, true, seconds, nil)
        }

        /// Runs a case.
        init(_ conformanceCase: ConformanceCase, on device: any Device) {
            name = conformanceCase.name
            let clock = ContinuousClock()
            let start = clock.now
            var failure: String?
            do {
                try conformanceCase.run(on: device)
            } catch {
                failure = "\(error)"
            }
            error = failure
            passed = failure == nil
            seconds = swiftep.seconds(clock.now - start)
        }

        /// A line, and the error below it.
        var text: String {
            let time = fixed(seconds, 2) + " s"
            let blanks = String(repeating: " ", count: max(0, 9 - time.count))
            return "\(passed ? "ok    " : "FAILED")\(blanks)\(time)  \(name)" + (error.map { "\n        \($0)" } ?? "")
        }
    }

    let device: String
    var cases: [Case] = []

    /// Cases that passed.
    var passed: Int { cases.count { $0.passed } }
    /// Cases that failed.
    var failed: Int { cases.count - passed }

    init(device: String) { self.device = device }

    enum CodingKeys: CodingKey { case device, passed, failed, cases }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(device, forKey: .device)
        try container.encode(passed, forKey: .passed)
        try container.encode(failed, forKey: .failed)
        try container.encode(cases, forKey: .cases)
    }
}
