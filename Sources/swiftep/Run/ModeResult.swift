import ExpertParallel
import KernelLanguage

/// The results of one mode.
struct ModeResult: Encodable {
    let mode: String
    let relativeError: Double
    let relativeErrors: [Double]
    let unquantisedDistance: Double
    let unquantisedRelativeError: Double
    /// Over all ranks.
    let outputHash: String
    let outputHashes: [String]
    let notReadyPolls: Int
    let waits: Int
    /// With `--arrivals`.
    let arrivals: ArrivalReport?
    let microseconds: Double
    let clock: String
    let wallSeconds: Double
    /// Whether both limits of the verification hold.
    let verified: Bool
    /// The first element that differs from the first mode's output.
    let difference: OutputDifference?

    enum CodingKeys: CodingKey {
        case mode, relativeError, relativeErrors, unquantisedDistance, unquantisedRelativeError, outputHash,
            outputHashes
        case notReadyPolls, waits, arrivals, microseconds, clock, wallSeconds, verified
    }

    init(
        _ mode: OverlapMode, note: String = "", _ verification: LayerVerification, _ outputs: [[BFloat16]],
        _ step: StepWaits, _ time: StepTime, difference: OutputDifference?
    ) {
        self.mode = mode.rawValue + note
        relativeError = verification.relativeError
        relativeErrors = verification.relativeErrors
        unquantisedDistance = verification.unquantisedDistance
        unquantisedRelativeError = verification.unquantisedRelativeError
        outputHash = hexadecimal(OutputHash(outputs).value)
        outputHashes = outputs.map { hexadecimal(OutputHash($0).value) }
        notReadyPolls = step.polls.notReady
        waits = step.polls.waits
        arrivals = step.arrivals
        microseconds = time.microseconds
        clock = time.clock
        wallSeconds = time.wallSeconds
        verified = verification.passed
        self.difference = difference
    }
}
