import Accelerator
import ExpertKernels
import ExpertParallel

extension RunReport {
    /// The report as text.
    var text: String {
        let gate = sharedGate ? " with a gate" : ""
        let shared = sharedIntermediate.map { "shared expert \($0)\(gate)" } ?? "no shared expert"
        return """
            device   \(device) (\(deviceKind))
            layer    hidden \(hidden), intermediate \(intermediate), \(experts) experts, top-\(topK), \(shared)
            weights  \(visible(weights))
            scales   \(scales == ScaleFormat.float32.rawValue ? "exact" : "powers of two"), of FP8 activations\(scaleNotes)
            group    \(ranks) ranks x \(tokens) tokens, blocks of \(blockM) rows\(network.map { ", network: \($0)" } ?? "")\(sharing)
            split    \(multiprocessorsPerRank) multiprocessors per rank, \(communicationMultiprocessors) of them for \
            communication in overlapped phases

            \(rankTable)

            \(modeTable)

            relative error              ‖output - reference‖ / ‖reference‖; the FP64 reference quantises where the
                                        kernels do; limit \(LayerVerification.relativeErrorLimit) over all ranks
            unquantised distance        cosine distance to an FP64 layer without quantised activations; limit \
            \(LayerVerification.unquantisedDistanceLimit)
            unquantised relative error  against the same: what FP8 activations cost; no limit
            polls not ready             polls of the combine send that found their block not ready yet; 0: the
                                        down GEMM was always ahead, nothing had to wait for it
            time                        \(clocks)
            \(arrivalTable)\(losses)
            outputs identical in all modes: \(identical ? "yes" : "NO")
            verified: \(verified ? "yes" : "NO")
            """
    }

    /// Notes on scales; empty if there are none.
    private var scaleNotes: String {
        (activationsPerToken ? ", one for each 128 channels, finer than the checkpoint's one for each token" : "")
            + (channelScales ? "; of weights for each channel" : "")
    }

    /// The ranks that the run went on without; empty if none was lost.
    private var losses: String {
        if masks.isEmpty, maskedRanks.isEmpty { return "" }
        let names = maskedRanks.map(String.init).joined(separator: ", ")
        let end = maskedRanks.isEmpty ? "none any more" : names
        return "\nmasked ranks                \(end)\n" + masks.map { "    by rank \($0.by): \($0.cause)\n" }.joined()
    }

    /// How processes share ranks and devices; empty for one process.
    private var sharing: String {
        guard processes > 1 else { return "" }
        let place = "; \(processes) processes on \(devices) device" + (devices == 1 ? "" : "s")
        guard deviceKind == DeviceProperties.Kind.cuda.rawValue, devices < processes else { return place }
        return place
            + (sharesContexts
                ? ", whose kernels run side by side (MPS)"
                : ", which take turns (no MPS): times say little")
    }

    private var rankTable: String {
        var table = Table([
            ("rank", .right), ("tokens", .right), ("overlap", .left), ("relative error", .right),
            ("output hash", .left),
        ])
        for rank in 0..<ranks {
            for mode in modes {
                table.add([
                    "\(rank)", "\(tokens)", mode.mode, scientific(mode.relativeErrors[rank]), mode.outputHashes[rank],
                ])
            }
        }
        return table.description
    }

    private var modeTable: String {
        var table = Table([
            ("overlap", .left), ("relative error", .right), ("unquantised distance", .right),
            ("unquantised relative error", .right), ("polls not ready", .right), ("time", .right), ("host", .right),
        ])
        for mode in modes {
            table.add([
                mode.mode, scientific(mode.relativeError), scientific(mode.unquantisedDistance),
                scientific(mode.unquantisedRelativeError),
                mode.mode == OverlapMode.singleBatch.rawValue ? "\(mode.notReadyPolls)" : "-",
                fixed(mode.microseconds, 1) + " µs", fixed(mode.wallSeconds, 2) + " s",
            ])
        }
        return table.description
    }

    /// The waits of all ranks together, by the rank waited for; empty without statistics.
    private var arrivalTable: String {
        guard let first = modes.lazy.compactMap(\.arrivals).first else { return "" }
        var table = Table([("overlap", .left), ("rank waited for", .right)] + ArrivalReport.columns)
        for mode in modes {
            guard let arrivals = mode.arrivals else { continue }
            for source in 0..<ranks { table.add([mode.mode, "\(source)"] + arrivals.cells(source: source)) }
        }
        return "\n\(table)\n\nrows of an expert            \(first.load)\n"
    }

    private var clocks: String {
        let clock = modes.first?.clock ?? ""
        return clock + "; host: wall time of the verified step"
    }
}
