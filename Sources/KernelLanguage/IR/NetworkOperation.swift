/// An operation of a network adapter on another rank's memory, which a thread issues (see `docs/verification.md`).
///
/// Each active lane issues its own, and goes on at once unless the channel's queue is full. The adapter works
/// asynchronously: it reads a source at any time until the source has been flushed, and its writes are visible to those
/// who acquire the word that the operation itself adds to, sets or puts, and to nobody else. Operations have no order
/// among each other, on one channel either. Issuing one includes a release at system scope: what the thread has done
/// and observed comes before what the adapter does.
///
/// Addresses are global. A target or a word of a peer is given as the adapter addresses the peer's memory: on the
/// simulator and in loopback the address itself, with NVSHMEM the address of the same place in the own symmetric heap.
public enum NetworkOperation: Hashable, Sendable {
    /// Copies `bytes` (UInt32, a multiple of 16, not 0) from own memory to the peer's, in pieces and in any order, and
    /// then performs the signal. Addresses are multiples of 16.
    case put(NetworkRoute, target: Address, source: Address, bytes: Operand, signal: NetworkSignal?)
    /// Adds a UInt64 to a word of 8 bytes of the peer, atomically among the operations of adapters, though not among a
    /// GPU's own atomic operations.
    case add(NetworkRoute, word: Address, value: Operand)
    /// Puts a UInt64, visible whole, at a multiple of 8 of the peer's memory.
    case putWord(NetworkRoute, target: Address, value: Operand)
    /// Bool: whether the sources of this rank's puts on the route may be overwritten, of all whose issue the thread has
    /// observed. May suspend the thread for a bounded time. Says nothing about targets.
    case flush(Register, NetworkRoute)

    /// Number of channels that a kernel can name, from 0.
    public static let maximumChannels = 64

    /// The route of the operation.
    public var route: NetworkRoute {
        switch self {
        case .put(let route, _, _, _, _), .add(let route, _, _), .putWord(let route, _, _), .flush(_, let route): route
        }
    }
}

/// The adapter, peer and channel of an operation.
public struct NetworkRoute: Hashable, Sendable {
    /// UInt64: address of the context of the adapter's code on the device, which the kernel has as a parameter. The
    /// simulator's adapter needs none.
    public var context: Operand
    /// UInt32: the rank on the other side.
    public var peer: Operand
    /// UInt32: 0 to `NetworkOperation.maximumChannels` - 1, and fewer where the adapter was set up with fewer.
    public var channel: Operand

    /// A route of these operands.
    public init(context: Operand, peer: Operand, channel: Operand) {
        self.context = context
        self.peer = peer
        self.channel = channel
    }
}

/// The change that a put makes to a word of the peer when all its bytes, and no more than those, are visible there.
public struct NetworkSignal: Hashable, Sendable {
    /// How the word changes.
    public enum Action: String, CaseIterable, Hashable, Sendable {
        /// Adds the value, atomically among the operations of adapters.
        case add
        /// Sets the word to the value. NVSHMEM has it, NCCL does not.
        case set
    }

    /// How the word changes.
    public var action: Action
    /// A word of 8 bytes in the peer's memory.
    public var word: Address
    /// UInt64.
    public var value: Operand

    /// A signal as given.
    public init(_ action: Action, word: Address, value: Operand) {
        self.action = action
        self.word = word
        self.value = value
    }
}

extension NetworkOperation {
    /// The result of a flush.
    var results: [Register] { if case .flush(let result, _) = self { [result] } else { [] } }

    /// Operands that it reads, bases of addresses included.
    var operands: [Operand] {
        let way = [route.context, route.peer, route.channel]
        switch self {
        case .put(_, let target, let source, let bytes, let signal):
            return way + [target.base, source.base, bytes] + (signal.map { [$0.word.base, $0.value] } ?? [])
        case .add(_, let word, let value): return way + [word.base, value]
        case .putWord(_, let target, let value): return way + [target.base, value]
        case .flush: return way
        }
    }
}
