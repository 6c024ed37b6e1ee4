/// A word of a litmus test and where it stands.
struct LitmusToken: Hashable {
    enum Kind: Hashable {
        case word(String)
        case number(Int)
        case symbol(String)
        case end
    }

    let kind: Kind
    let line: Int
    let column: Int

    /// For messages.
    var shown: String {
        switch kind {
        case .word(let text), .symbol(let text): "'\(text)'"
        case .number(let value): "'\(value)'"
        case .end: "the end of the test"
        }
    }

    func error(_ problem: LitmusError.Problem) -> LitmusError {
        LitmusError(problem: problem, line: line, column: column)
    }
}

/// Cuts a text into words, numbers and symbols.
struct LitmusLexer {
    private let characters: [Character]
    private var index = 0
    private var line = 1
    private var column = 1

    /// Longer ones first.
    private static let symbols = ["/\\", "\\/", "==", "!=", "<=", ">="]
    private static let single = Set<Character>("={}()[];:,.|@&~<>")

    init(_ text: String) { characters = Array(text) }

    /// The name of the test: the rest of the first line, behind the language. All up to the first brace is title.
    mutating func title() throws(LitmusError) -> String {
        while let next = peek, next.isWhitespace { advance() }
        let start = (line, column)
        var language = ""
        while let next = peek, !next.isWhitespace, next != "{" {
            language.append(next)
            advance()
        }
        guard language == "PTX" || language == "ptx" else {
            throw LitmusError(problem: .language(found: language), line: start.0, column: start.1)
        }
        var name = ""
        while let next = peek, !next.isNewline, next != "{" {
            name.append(next)
            advance()
        }
        while let next = peek, next != "{" { advance() }
        while name.first?.isWhitespace == true { name.removeFirst() }
        while name.last?.isWhitespace == true { name.removeLast() }
        return name
    }

    /// All tokens that follow, with an end token behind them.
    mutating func tokens() throws(LitmusError) -> [LitmusToken] {
        var tokens: [LitmusToken] = []
        while true {
            let token = try token()
            tokens.append(token)
            if token.kind == .end { return tokens }
        }
    }

    private var peek: Character? { index < characters.count ? characters[index] : nil }

    private func isNext(_ text: String) -> Bool {
        let end = index + text.count
        return end <= characters.count && characters[index..<end].elementsEqual(text)
    }

    private mutating func advance(_ count: Int = 1) {
        for _ in 0..<count where index < characters.count {
            if characters[index].isNewline {
                line += 1
                column = 1
            } else {
                column += 1
            }
            index += 1
        }
    }

    private mutating func skipBlanks() throws(LitmusError) {
        while let next = peek {
            if next.isWhitespace {
                advance()
            } else if isNext("//") {
                while let next = peek, !next.isNewline { advance() }
            } else if isNext("(*") {
                let start = LitmusError(problem: .openComment, line: line, column: column)
                advance(2)
                while !isNext("*)") {
                    guard peek != nil else { throw start }
                    advance()
                }
                advance(2)
            } else {
                return
            }
        }
    }

    private mutating func token() throws(LitmusError) -> LitmusToken {
        try skipBlanks()
        let (line, column) = (line, column)
        func token(_ kind: LitmusToken.Kind) -> LitmusToken { LitmusToken(kind: kind, line: line, column: column) }
        guard let first = peek else { return token(.end) }
        if Self.isLetter(first) {
            return token(.word(take { Self.isLetter($0) || Self.isDigit($0) }))
        }
        if Self.isDigit(first) || first == "-" {
            return token(.number(try number(line, column)))
        }
        for symbol in Self.symbols where isNext(symbol) {
            advance(symbol.count)
            return token(.symbol(symbol))
        }
        guard Self.single.contains(first) else {
            throw LitmusError(problem: .character(String(first)), line: line, column: column)
        }
        advance()
        return token(.symbol(String(first)))
    }

    private mutating func number(_ line: Int, _ column: Int) throws(LitmusError) -> Int {
        let isNegative = peek == "-"
        if isNegative { advance() }
        let digits = take { Self.isLetter($0) || Self.isDigit($0) }
        let isHexadecimal = digits.hasPrefix("0x") || digits.hasPrefix("0X")
        let body = isHexadecimal ? String(digits.dropFirst(2)) : digits
        guard let value = Int((isNegative ? "-" : "") + body, radix: isHexadecimal ? 16 : 10), body.first != "+" else {
            let text = (isNegative ? "-" : "") + digits
            let isNumber = !body.isEmpty && body.allSatisfy { isHexadecimal ? $0.isHexDigit : Self.isDigit($0) }
            throw LitmusError(
                problem: isNumber ? .number(text) : .expected("a number", found: "'\(text)'"), line: line,
                column: column)
        }
        return value
    }

    private mutating func take(_ belongs: (Character) -> Bool) -> String {
        var text = ""
        while let next = peek, belongs(next) {
            text.append(next)
            advance()
        }
        return text
    }

    private static func isLetter(_ character: Character) -> Bool {
        character == "_" || (character.isASCII && character.isLetter)
    }

    private static func isDigit(_ character: Character) -> Bool { character.isASCII && character.isNumber }
}
