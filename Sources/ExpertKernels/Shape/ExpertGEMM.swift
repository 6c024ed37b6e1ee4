/// The GEMMs of a rank's experts: every one that a layer launches in some mode. All lists of them follow this one.
package enum ExpertGEMM: String, CaseIterable, Hashable, Sendable {
    /// Gate and up, when all rows are there.
    case gateUp
    /// Gate and up, while rows arrive from other ranks.
    case arrivingGateUp
    /// Down.
    case down
    /// Down, which signals its row blocks to a combine send beside it.
    case signallingDown
    /// Down, which stores its rows at home by itself.
    case homeDown

    /// Those that a layer with such windows launches. The GEMM cannot store to a network: the combine send does that.
    package static func all(for window: RankWindow) -> [ExpertGEMM] {
        allCases.filter { $0 != .homeDown || window.network == nil }
    }

    /// Whether it runs while ranks exchange rows: it waits for rows, signals them to a combine send, or sends them.
    package var needsRanks: Bool {
        switch self {
        case .gateUp, .down: false
        case .arrivingGateUp, .signallingDown, .homeDown: true
        }
    }
}

extension ExpertShape {
    /// Configuration of one of the GEMMs.
    ///
    /// - Parameters:
    ///   - window: The windows of the ranks.
    ///   - multiprocessors: Multiprocessors that the rank has for itself.
    package func configuration(
        _ gemm: ExpertGEMM, window: RankWindow, multiprocessors: Int
    ) -> GEMMConfiguration {
        var configuration = unmasked(gemm, window: window, multiprocessors: multiprocessors)
        configuration.masks = window.masks && gemm.needsRanks
        return configuration
    }

    private func unmasked(_ gemm: ExpertGEMM, window: RankWindow, multiprocessors: Int) -> GEMMConfiguration {
        let rowsAfter = gateUp(multiprocessors: multiprocessors).signalsForNext
        switch gemm {
        case .gateUp: return gateUp(multiprocessors: multiprocessors)
        case .arrivingGateUp: return gateUp(arriving: window, multiprocessors: multiprocessors)
        case .down: return down(multiprocessors: multiprocessors)
        case .signallingDown: return down(.signalled(rowsAfter: rowsAfter), multiprocessors: multiprocessors)
        case .homeDown: return down(.home(window, rowsAfter: rowsAfter), multiprocessors: multiprocessors)
        }
    }

    /// The gate and up GEMM, with SwiGLU where its tiles are wide enough. Where it writes BF16, `swiGLUKernel` comes
    /// after.
    package func gateUp(arriving window: RankWindow? = nil, multiprocessors: Int) -> GEMMConfiguration {
        let problem = problem(n: 2 * intermediate, k: hidden)
        let tile = tile(problem, multiprocessors: multiprocessors)
        var configuration = GEMMConfiguration(
            problem, tile: tile,
            role: .gateUp(tile.n == TileShape.maxN ? .swiGLU : .bfloat16, arriving: window))
        configuration.scaleFormat = scaleFormat
        configuration.channelScales = channelScales
        configuration.activation = expertActivation
        return configuration
    }

    /// The down GEMM.
    package func down(_ delivery: GEMMRole.Delivery = .stored, multiprocessors: Int) -> GEMMConfiguration {
        let problem = problem(n: hidden, k: intermediate)
        var configuration = GEMMConfiguration(
            problem, tile: tile(problem, multiprocessors: multiprocessors), role: .down(delivery))
        configuration.channelScales = channelScales
        return configuration
    }

    private func problem(n: Int, k: Int) -> GEMMProblem {
        GEMMProblem(n: n, k: k, experts: experts, maxRows: maxRows)
    }

    private func tile(_ problem: GEMMProblem, multiprocessors: Int) -> TileShape {
        TileShape.tile(problem, m: blockM, wholeM: wholeBlockM, multiprocessors: multiprocessors)
    }
}
