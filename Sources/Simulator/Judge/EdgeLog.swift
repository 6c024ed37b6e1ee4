import KernelLanguage

/// The latest reads of other threads' stores, for what reports say about a missing edge.
struct EdgeLog {
    struct Edge {
        enum Kind {
            /// Orders the writer's past before the reader's future.
            case synchronises
            /// Would, if the read acquired.
            case relaxedRead
            /// Would, if the write released.
            case relaxedWrite
            /// Would, if both scopes had the other thread in them.
            case narrowScope
        }

        let reader: MemoryEvent
        let writer: MemoryEvent
        let kind: Kind
        /// What the reader could have learned; nil if it did.
        let knowledge: View?
    }

    private var edges: [Edge] = []
    private var next = 0
    private static let capacity = 512

    mutating func add(_ edge: Edge) {
        if edges.count < Self.capacity {
            edges.append(edge)
        } else {
            edges[next % Self.capacity] = edge
        }
        next += 1
    }

    /// Newest first.
    var recent: [Edge] {
        edges.count < Self.capacity
            ? edges.reversed() : (0..<edges.count).map { edges[(next - 1 - $0) % Self.capacity] }
    }
}
