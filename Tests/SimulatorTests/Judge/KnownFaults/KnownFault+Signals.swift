import KernelLanguage
import Simulator

/// Faults of a signal between a producer and a consumer; see `SignalProtocol`.
extension KnownFault {
    /// The consumer acquires the signal, and a bulk copy then reads the row without a proxy fence in between.
    static let missingProxyFence = of("acquire poll, then a bulk load without proxy fence", "no proxy fence") {
        $0.consumerFence = false
    }

    /// The producer waits until its bulk stores have read their source, and then signals.
    static let signalBehindRead = of(
        "a signal behind a wait for reading only", "nobody has waited for more than its reading"
    ) { $0.storeWait = .sourceRead }

    /// The producer signals by a relaxed add.
    static let relaxedSignal = of("relaxed signal", "is relaxed: nothing orders") {
        ($0.addOrder, $0.bulkStores) = (.relaxed, false)
    }

    private static func of(
        _ name: String, _ report: String, _ plant: @escaping @Sendable (inout SignalProtocol) -> Void
    ) -> KnownFault {
        KnownFault(
            description: name, budget: 5, finding: .raceSaying(report), expected: SignalProtocol().expected
        ) { machine, isPlanted in
            var variant = SignalProtocol()
            if isPlanted { plant(&variant) }
            return try variant.run(on: machine)
        }
    }
}
