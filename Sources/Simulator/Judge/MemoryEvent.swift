import KernelLanguage

/// One access to memory: by whom, when in its time, and how.
struct MemoryEvent {
    /// The lane of events that several lanes of a warp took part in.
    static let severalLanes: UInt8 = 255

    /// Who; 0 is nobody.
    var slot: UInt32 = 0
    /// In the slot's own time, which starts at 1.
    var time: UInt32 = 0
    /// Index of the step in the program.
    var step: UInt32 = 0
    var lane: UInt8 = 0
    var kind = Kind(rawValue: 0)

    struct Kind: OptionSet {
        let rawValue: UInt8
        /// Of the asynchronous proxy.
        static let asynchronous = Kind(rawValue: 1)
        /// Relaxed or stronger.
        static let strong = Kind(rawValue: 2)
        static let write = Kind(rawValue: 4)
        static let cluster = Kind(rawValue: 8)
        static let gpu = Kind(rawValue: 16)
        static let system = Kind(rawValue: 24)
        /// A word that the network changes.
        static let network = Kind(rawValue: 32)
        /// By adding to it.
        static let adding = Kind(rawValue: 64)
        /// Of 8 bytes or more; set for strong accesses only.
        static let wide = Kind(rawValue: 128)

        /// A strong access of this scope.
        static func strong(_ scope: MemoryScope) -> Kind {
            switch scope {
            case .block: .strong
            case .cluster: [.strong, .cluster]
            case .gpu: [.strong, .gpu]
            case .system: [.strong, .system]
            }
        }

        var scope: MemoryScope {
            switch rawValue & 24 {
            case 0: .block
            case 8: .cluster
            case 16: .gpu
            default: .system
            }
        }
    }

    var exists: Bool { slot != 0 }

    func isSameMoment(as other: MemoryEvent) -> Bool {
        slot == other.slot && time == other.time && lane == other.lane
    }

    var isAsynchronous: Bool { kind.contains(.asynchronous) }
    var isStrong: Bool { kind.contains(.strong) }
    var isWrite: Bool { kind.contains(.write) }
    var isWide: Bool { kind.contains(.wide) }
}

/// The owner of a slot's events.
struct SlotOwner {
    enum Kind {
        /// The threads of a warp.
        case warp
        /// Copies that a warp issued.
        case copies
        /// Multiplies that a warp issued.
        case multiplies
        /// What the network does for a warp.
        case network
        /// Host work of a stream.
        case host
    }

    let kind: Kind
    /// The kernel's program; nil for host work.
    let program: ProgramStorage?
    /// Number of the launch, -1 for host work.
    let run: Int
    let stream: String
    let rank: Int
    let block: Int
    let warp: Int
    /// Numbers of the block and its cluster among all that ever ran.
    let blockNumber: Int
    let clusterNumber: Int
    /// The same for the same thread in every schedule.
    let stableNumber: UInt64

    /// Whether a scope around this thread has the other in it.
    @inline(__always)
    func includes(_ other: SlotOwner, _ scope: MemoryScope) -> Bool {
        switch scope {
        case .block: blockNumber == other.blockNumber
        case .cluster: clusterNumber == other.clusterNumber
        // An adapter is on no GPU.
        case .gpu: rank == other.rank && (kind == .network) == (other.kind == .network)
        case .system: true
        }
    }
}
