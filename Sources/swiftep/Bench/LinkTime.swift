import ExpertKernels

/// Microseconds for which a modelled link carries a step's rows, latencies included.
struct LinkTime {
    /// Rows on their way to experts.
    let dispatch: Double
    /// Rows on their way home.
    let combine: Double
    /// Of each way.
    let latency: Double

    /// Both ways.
    var total: Double { dispatch + combine }

    /// Microseconds of it that a step can hide at most, if it takes `step` without links, bound by reading weights: two
    /// thirds of it for gate and up, one third for down.
    ///
    /// Rows come in under gate and up. They go home under the down GEMM, from the first routed expert that is done to
    /// the last, whose rows travel when nothing is left to compute.
    func hideable(_ shape: LayerShape, step: Double) -> Double {
        let beforeLast = (combine - latency) * Double(shape.localExperts - 1) / Double(shape.localExperts)
        let besideDown = step / 3 * Double(shape.localExperts - 1) / Double(shape.rankExperts)
        return min(dispatch, step * 2 / 3) + min(beforeLast, besideDown)
    }
}
