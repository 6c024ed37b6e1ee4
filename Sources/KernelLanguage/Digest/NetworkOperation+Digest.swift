extension Digester {
    /// Puts a number for the network operation, and all that it holds.
    mutating func put(_ operation: NetworkOperation) {
        switch operation {
        case .put(let route, let target, let source, let bytes, let signal):
            put(0)
            put(route)
            put(target)
            put(source)
            put(bytes)
            put(signal) { digester, signal in
                digester.put(signal.action)
                digester.put(signal.word)
                digester.put(signal.value)
            }
        case .add(let route, let word, let value):
            put(1)
            put(route)
            put(word)
            put(value)
        case .putWord(let route, let target, let value):
            put(2)
            put(route)
            put(target)
            put(value)
        case .flush(let result, let route):
            put(3)
            put(result)
            put(route)
        }
    }

    private mutating func put(_ route: NetworkRoute) {
        put(route.context)
        put(route.peer)
        put(route.channel)
    }
}
