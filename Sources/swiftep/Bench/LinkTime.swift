import ExpertKernels
import ExpertParallel

/// Microseconds for which a modelled link, or modelled network cards, carry a step's rows, latencies included.
struct LinkTime {
    /// Rows on their way to experts.
    let dispatch: Double
    /// Rows on their way home.
    let combine: Double
    /// The latency of each way.
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

extension LinkTime {
    /// The time of the busiest link or card in a step; nil where none is modelled.
    init?(_ plan: LayerBench.Plan, _ routing: BenchRouting) {
        let shape = plan.shape
        // Rows go one way with dispatch and come back the other way with combine.
        let rows = routing.inputs(shape).map { input in
            var rows = [Int](repeating: 0, count: shape.ranks)
            for expert in input.routing.experts where expert >= 0 { rows[Int(expert) / shape.localExperts] += 1 }
            return rows
        }
        if let link = plan.link {
            self.init(shape, link, rows)
        } else if let network = plan.network, let model = network.model {
            self.init(shape, network, model, rows)
        } else {
            return nil
        }
    }

    /// The longest time of the links between ordered pairs of ranks.
    private init?(_ shape: LayerShape, _ link: LinkModel, _ rows: [[Int]]) {
        let window = RankWindow(shape, .float8, link: link)
        let times = rows.indices.flatMap { source in
            rows.indices.filter { $0 != source }.map { owner in
                LinkTime(
                    dispatch: link.microseconds(bytes: rows[source][owner] * window.dispatchedBytes),
                    combine: link.microseconds(bytes: rows[source][owner] * window.combinedBytes),
                    latency: link.microseconds(bytes: 0))
            }
        }
        guard let longest = times.max(by: { $0.total < $1.total }) else { return nil }
        self = longest
    }

    /// The longest time of the ranks' cards, in each phase: a card carries all that its rank sends, row counts too.
    private init(_ shape: LayerShape, _ network: GroupNetwork, _ model: NetworkModel, _ rows: [[Int]]) {
        let window = RankWindow(shape, .float8, network: network.adapter)
        let ranks = rows.indices
        func peers(_ rank: Int) -> [Int] { ranks.filter { network.isBetween(rank, $0) } }
        let dispatch = ranks.map { rank in
            model.microseconds(
                messages: peers(rank).map { rows[rank][$0] }.reduce(0, +), bytes: window.networkPacketBytes,
                words: peers(rank).count * shape.rankExperts)
        }
        let combine = ranks.map { rank in
            model.microseconds(
                messages: peers(rank).map { rows[$0][rank] }.reduce(0, +), bytes: shape.paddedHidden * 2)
        }
        self.init(
            dispatch: dispatch.max() ?? 0, combine: combine.max() ?? 0,
            latency: Double(model.latencyNanoseconds) / 1e3)
    }
}
