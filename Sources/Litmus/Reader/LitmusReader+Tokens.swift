/// Walks through the tokens.
extension LitmusReader {
    var token: LitmusToken { tokens[min(position, tokens.count - 1)] }

    func isWord(_ word: String) -> Bool { token.kind == .word(word) }

    func isSymbol(_ symbol: String) -> Bool { token.kind == .symbol(symbol) }

    func expected(_ what: String) -> LitmusError { token.error(.expected(what, found: token.shown)) }

    mutating func skip(_ count: Int = 1) { position += count }

    mutating func skip(_ symbol: String) throws(LitmusError) {
        guard isSymbol(symbol) else { throw expected("'\(symbol)'") }
        skip()
    }

    @discardableResult
    mutating func skip(ifSymbol symbol: String) -> Bool {
        guard isSymbol(symbol) else { return false }
        skip()
        return true
    }

    /// A word, whatever it is.
    mutating func name(_ what: String) throws(LitmusError) -> String {
        guard case .word(let word) = token.kind else { throw expected(what) }
        skip()
        return word
    }

    mutating func register() throws(LitmusError) -> Int {
        guard case .word(let word) = token.kind, let number = Self.registerNumber(word) else {
            throw expected("a register such as r1")
        }
        skip()
        return number
    }

    /// The number behind the `r`; nil if it is no register's name.
    static func registerNumber(_ word: String) -> Int? {
        guard word.first == "r", word.count > 1, word.dropFirst().allSatisfy({ $0.isASCII && $0.isNumber }) else {
            return nil
        }
        return Int(word.dropFirst())
    }
}
