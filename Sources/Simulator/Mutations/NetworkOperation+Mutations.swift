import KernelLanguage

extension NetworkOperation {
    /// The ways to weaken its ordering.
    var weakenings: [Mutation.Change] {
        switch self {
        case .put(_, _, _, _, let signal): (signal == nil ? [] : [.uncovered, .setting]) + [.otherChannel]
        case .add: [.setting]
        case .putWord: []
        case .flush: [.notWaiting]
        }
    }

    /// The operation after a change of `weakenings`.
    func changed(_ change: Mutation.Change, at location: SourceLocation) -> Op? {
        switch (self, change) {
        case (.put(let route, let target, let source, let bytes, .some(let signal)), .uncovered):
            // The signal becomes an operation of its own, which may overtake the put.
            let put = Self.put(route, target: target, source: source, bytes: bytes, signal: nil)
            let add = Self.add(route, word: signal.word, value: signal.value)
            let both = [put, add].map { Instruction(.network($0), at: location) }
            return .if(.constant(1), then: Block(both), else: Block())
        case (.put(let route, let target, let source, let bytes, .some(var signal)), .setting):
            signal.action = .set
            return .network(.put(route, target: target, source: source, bytes: bytes, signal: signal))
        case (.put(var route, let target, let source, let bytes, let signal), .otherChannel):
            // A channel that the path's flush does not ask about.
            route.channel = .constant(route.channel == .constant(0) ? 1 : 0)
            return .network(.put(route, target: target, source: source, bytes: bytes, signal: signal))
        case (.add(let route, let word, let value), .setting):
            return .network(.putWord(route, target: word, value: value))
        case (.flush(let result, _), .notWaiting): return .move(result, .constant(1))
        default: return nil
        }
    }

    /// A name for reports.
    var mutationName: String {
        switch self {
        case .put(_, _, _, _, let signal): signal == nil ? "network put" : "network put with signal"
        case .add: "network add"
        case .putWord: "network put of a word"
        case .flush: "network flush"
        }
    }
}
