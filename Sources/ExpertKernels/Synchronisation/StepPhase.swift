/// The kernels of a step, as timelines and faults name them.
public enum StepPhase: UInt32, CaseIterable, Hashable, Sendable {
    case dispatchSend = 1
    case dispatchReceive
    case gateUp
    case down
    case combineSend
    case combineReceive
    case rankBarrier

    /// For people.
    public var name: String {
        switch self {
        case .dispatchSend: "dispatch send"
        case .dispatchReceive: "dispatch receive"
        case .gateUp: "gate and up"
        case .down: "down"
        case .combineSend: "combine send"
        case .combineReceive: "combine receive"
        case .rankBarrier: "rank barrier"
        }
    }
}
