import ExpertParallel

/// Who has a part of the L2 set aside.
enum L2SetAside: String, CaseIterable, Hashable, Sendable {
    /// Layers have as much set aside as their kernels hand on to each other.
    case layer
    /// Nobody asks for any: what the driver sets aside by itself.
    case driver
    /// None is, not even what the driver would.
    case none
}

/// What steps of layers took in one mode with one routing.
struct LayerMeasurement {
    let tokens: Int
    let routing: BenchRouting
    /// Among those of all ranks.
    let rowsOfExperts: [Int]
    let mode: OverlapMode
    /// Layers that steps go round.
    let weightSets: Int
    /// Experts of the device whose weights a step reads.
    let expertsRead: Int
    /// Microseconds of only reading them.
    let floor: Double
    var times: [Times] = []

    /// With something of the L2 set aside or not.
    struct Times {
        let setAside: L2SetAside
        /// Bytes that are set aside; nil where that is left to the driver.
        let setAsideBytes: Int?
        /// Microseconds of a step with nothing between steps, in each measurement.
        let alone: LayerBench.Times
        /// With other work between steps.
        var between: Between?

        /// What counts: the step among other work, if there is some.
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
