/// Which GEMM of a layer it is: what runs before it, where its rows come from, and what becomes of a finished tile.
package enum GEMMRole: Hashable, Sendable {
    /// A GEMM that is no layer's.
    ///
    /// - Parameters:
    ///   - launch: The kernel before it, if any.
    ///   - signals: Whether it adds one to the signal of a tile's row block when it has stored the tile.
    case plain(GEMMOutput = .bfloat16, launch: Launch = .alone, signals: Bool = false)
    /// Gate and up, behind dispatch.
    ///
    /// - Parameter arriving: The window into which other ranks write rows while the GEMM runs: it waits for those of
    ///   each tile. With SwiGLU it then signals its row blocks to the down GEMM. nil if all rows are there before.
    case gateUp(GEMMOutput, arriving: RankWindow? = nil)
    /// Down, behind gate and up.
    case down(Delivery = .stored)

    /// The kernel before a GEMM that is no layer's.
    package enum Launch: Hashable, Sendable {
        /// Nothing.
        case alone
        /// Another GEMM, which may still run: weights are loaded until it has ended, and nothing else.
        case behindGEMM
    }

    /// What becomes of the down GEMM's rows. Where its own rows come from a GEMM that still runs and signals its row
    /// blocks, `rowsAfter` is the number of adds after which a row block is complete: the GEMM waits for the rows of
    /// each tile, and not for the end of the GEMM before it. nil if that has ended.
    package enum Delivery: Hashable, Sendable {
        /// They are stored; a kernel reads them when the GEMM has ended.
        case stored
        /// They are stored, and a kernel that runs beside the GEMM reads those of a row block when all its tiles have
        /// added one to its signal.
        case signalled(rowsAfter: Int?)
        /// They are stored at the ranks where their tokens came from, and published there: the GEMM is the combine's
        /// send. Signals are counted inside it.
        case home(RankWindow, rowsAfter: Int?)
    }
}

/// How the sums of a tile are stored.
package enum GEMMOutput: Hashable, Sendable {
    /// D in BF16.
    case bfloat16
    /// D rounded to BF16, then `silu(gate) * up`, quantised to FP8 per row and 128 channels, all `n / 2` of them. In
    /// the weights, 8 rows of gate and 8 rows of up alternate; likewise one row of scales of each.
    case swiGLU
}

extension GEMMRole {
    /// How the sums of a tile are stored.
    package var output: GEMMOutput {
        switch self {
        case .plain(let output, _, _), .gateUp(let output, _): output
        case .down: .bfloat16
        }
    }

    /// Whether the kernel before may still run when the GEMM starts, which loads weights until that has ended. The
    /// kernel before writes neither counts nor weights.
    package var isDependent: Bool { !isAlone }

    /// Whether it runs by itself. Multiprocessors that a dependent GEMM leaves, or is done with, go to the kernels
    /// around it.
    var isAlone: Bool {
        if case .plain(_, .alone, _) = self { true } else { false }
    }

    /// Whether the kernel before leaves the multiprocessors early: thread blocks are then placed as they would be
    /// alone, and not where those of another GEMM have just ended.
    var isBehindDispatch: Bool {
        if case .gateUp = self { true } else { false }
    }

    /// Whether each stored tile adds one to the signal of its row block, for another kernel.
    package var signals: Bool {
        switch self {
        case .plain(_, _, let signals): signals
        case .gateUp(let output, let arriving): arriving != nil && output == .swiGLU
        case .down(.signalled): true
        case .down(.stored), .down(.home): false
        }
    }

    /// The window into which other ranks write rows while the GEMM runs.
    var arriving: RankWindow? {
        if case .gateUp(_, let window) = self { window } else { nil }
    }

    /// Whether the kernel before is the unpack, which runs on beside the GEMM and puts rows in their places, and began
    /// when all before it had ended. Else the kernel before clears the signals.
    var isBesideUnpack: Bool { arriving?.masks ?? false }

    /// The windows to which finished rows go.
    var home: RankWindow? {
        if case .down(.home(let window, _)) = self { window } else { nil }
    }

    /// Adds after which a row block of a GEMM that still runs is complete.
    package var rowsAfter: Int? {
        switch self {
        case .plain, .gateUp, .down(.stored): nil
        case .down(.signalled(let rowsAfter)), .down(.home(_, let rowsAfter)): rowsAfter
        }
    }

    /// Whether tiles are counted in signals, for another kernel or inside the GEMM.
    package var countsTiles: Bool { signals || home != nil }

    /// Whether the GEMM reads or writes windows of ranks.
    package var communicates: Bool { arriving != nil || home != nil }

    /// The kernel of a step, as faults name it.
    var phase: StepPhase {
        if case .gateUp = self { .gateUp } else { .down }
    }

    /// For kernel names.
    var name: String {
        (output == .swiGLU ? "_swiglu" : "") + (signals ? "_signals" : "") + (isDependent ? "_dependent" : "")
            + (arriving.map { "_arriving_\($0.name)" } ?? "") + (rowsAfter == nil ? "" : "_follows")
            + (home.map { "_home_\($0.name)" } ?? "")
    }
}

extension GEMMRole: CustomStringConvertible {
    /// What is special about it, separated by commas; "plain" where nothing is.
    package var description: String {
        let parts = [
            output == .swiGLU ? "SwiGLU" : nil, signals ? "signals" : nil, isDependent ? "dependent launch" : nil,
            arriving == nil ? nil : "arriving rows", rowsAfter == nil ? nil : "rows of a running GEMM",
            home == nil ? nil : "rows sent home",
        ].compactMap { $0 }
        return parts.isEmpty ? "plain" : parts.joined(separator: ", ")
    }
}
