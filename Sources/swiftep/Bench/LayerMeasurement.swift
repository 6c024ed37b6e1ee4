import ExpertParallel

/// The part of the L2 that is set aside, by whose choice.
enum L2SetAside: String, CaseIterable, Hashable, Sendable {
    /// Layers set aside a part for data that their kernels hand on to each other.
    case layer
    /// No layer asks for any: the driver's own choice.
    case driver
    /// None is, not even what the driver would.
    case none
}

/// The times of layers' steps in one mode with one routing.
struct LayerMeasurement {
    let tokens: Int
    let routing: BenchRouting
    /// Rows of each expert, of all ranks.
    let rowsOfExperts: [Int]
    let mode: OverlapMode
    /// Layers that steps go round.
    let weightSets: Int
    /// Experts of the device whose weights a step reads.
    let expertsRead: Int
    /// Microseconds of only reading their weights.
    let floor: Double
    var times: [Times] = []

    /// The times with one choice of the L2's part.
    struct Times {
        let setAside: L2SetAside
        /// Bytes that are set aside; nil where that is left to the driver.
        let setAsideBytes: Int?
        /// Microseconds of a step with nothing between steps, in each measurement.
        let alone: LayerBench.Times
        /// With other work between steps.
        var between: Between?

        /// The time that counts: the step among other work, if there is some.
        var step: LayerBench.Times { between?.step ?? alone }
    }

    /// Steps with other work in between.
    struct Between {
        /// Microseconds of the other work by itself.
        let own: Double
        /// Microseconds of a step, its own time taken out.
        let step: LayerBench.Times
    }
}
