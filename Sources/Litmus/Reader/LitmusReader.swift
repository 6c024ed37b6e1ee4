import KernelLanguage

/// Reads the litmus format of PTX: a title, initial values of memory and registers in braces, a column for each thread,
/// and a question.
package struct LitmusReader {
    /// Most threads of a test.
    package static let threadLimit = 16
    /// Most instructions of a thread.
    package static let instructionLimit = 64
    /// Most locations.
    package static let locationLimit = 64
    /// How deep conditions may be nested.
    static let depthLimit = 64

    var tokens: [LitmusToken]
    var position = 0
    var locations: [LitmusLocation] = []
    var locationNumbers: [String: Int] = [:]
    var threads: [LitmusThread] = []
    var threadNumbers: [Int: Int] = [:]
    /// Values of registers before the threads are known.
    private var registers: [(token: LitmusToken, thread: Int, register: Int, value: Int)] = []

    /// Parses a test.
    ///
    /// - Throws: The first error, with line and column.
    package static func read(_ text: String) throws(LitmusError) -> LitmusTest {
        var lexer = LitmusLexer(text)
        let name = try lexer.title()
        var reader = LitmusReader(tokens: try lexer.tokens())
        return try reader.test(name)
    }

    private init(tokens: [LitmusToken]) { self.tokens = tokens }

    private mutating func test(_ name: String) throws(LitmusError) -> LitmusTest {
        try declarations()
        try threadHeads()
        try rows()
        if isWord("locations") { try skipList() }
        var filter: LitmusCondition?
        if isWord("filter") {
            skip()
            filter = try condition()
            skip(ifSymbol: ";")
        }
        let question = try question()
        skip(ifSymbol: ";")
        guard token.kind == .end else { throw expected("the end of the test") }
        for (token, thread, register, value) in registers {
            guard let index = threadNumbers[thread] else {
                throw token.error(.missing("thread", name: "P\(thread)"))
            }
            threads[index].registers[register] = value
        }
        return LitmusTest(name: name, locations: locations, threads: threads, filter: filter, question: question)
    }

    // MARK: Declarations

    private mutating func declarations() throws(LitmusError) {
        try skip("{")
        while !isSymbol("}") {
            if isSymbol(";") {
                skip()
                continue
            }
            try declaration()
            if !isSymbol("}") { try skip(";") }
        }
        skip()
        skip(ifSymbol: ";")
    }

    private mutating func declaration() throws(LitmusError) {
        let start = token
        if let thread = threadNumber(followedBy: ":") {
            skip(2)
            let register = try register()
            try skip("=")
            registers.append((start, thread, register, try initialValue()))
            return
        }
        let isBracketed = isSymbol("[")
        if isBracketed { skip() }
        let name = try name("a location or a register of a thread")
        if isBracketed { try skip("]") }
        if isSymbol("@") {
            skip()
            return try alias(name, at: start)
        }
        try skip("=")
        let location = try location(name, at: start)
        let value = try initialValue()
        for sharer in locations.indices where locations[sharer].memory == locations[location].memory {
            locations[sharer].initial = value
        }
    }

    /// A number, or the address of a location.
    private mutating func initialValue() throws(LitmusError) -> Int {
        if case .number(let value) = token.kind {
            skip()
            return value
        }
        skip(ifSymbol: "&")
        let start = token
        return Self.address(of: try location(name("a number or a location"), at: start))
    }

    /// A number that stands for an address: addresses can only be compared.
    private static func address(of location: Int) -> Int { 1 << 40 + location << 4 }

    /// `name @ proxy aliases other`
    private mutating func alias(_ name: String, at start: LitmusToken) throws(LitmusError) {
        guard locationNumbers[name] == nil else { throw start.error(.repeated("location", name: name)) }
        let word = token
        let proxy = try proxy(self.name("a proxy"), at: word)
        guard isWord("aliases") else { throw expected("'aliases'") }
        skip()
        let other = token
        let target = try location(self.name("a location"), at: other)
        let location = try location(name, at: start)
        locations[location].memory = locations[target].memory
        locations[location].initial = locations[target].initial
        if proxy != .generic { locations[location].address = locations[target].address }
    }

    func proxy(_ word: String, at token: LitmusToken) throws(LitmusError) -> LitmusProxy {
        guard let proxy = LitmusProxy(rawValue: word) else {
            throw token.error(.unknown("proxy", word: word, known: LitmusProxy.allCases.map(\.rawValue)))
        }
        return proxy
    }

    /// The location with this name; a new one holds 0.
    mutating func location(_ name: String, at token: LitmusToken) throws(LitmusError) -> Int {
        if let known = locationNumbers[name] { return known }
        guard Self.registerNumber(name) == nil else {
            throw token.error(.expected("a location", found: "the register '\(name)'"))
        }
        let index = locations.count
        guard index < Self.locationLimit else { throw token.error(.tooMany("locations", limit: Self.locationLimit)) }
        locations.append(LitmusLocation(name: name, initial: 0, memory: index, address: index))
        locationNumbers[name] = index
        return index
    }

    // MARK: Threads

    /// `P0@cta 0,gpu 0 | P1@cta 1,gpu 0;`
    private mutating func threadHeads() throws(LitmusError) {
        repeat {
            let start = token
            guard let number = threadNumber(followedBy: "@") else { throw expected("a thread such as P0@cta 0,gpu 0") }
            skip(2)
            let block = try placement("cta")
            try skip(",")
            let gpu = try placement("gpu")
            guard threadNumbers[number] == nil else { throw start.error(.repeated("thread", name: "P\(number)")) }
            guard threads.count < Self.threadLimit else {
                throw start.error(.tooMany("threads", limit: Self.threadLimit))
            }
            threadNumbers[number] = threads.count
            threads.append(LitmusThread(number: number, block: block, gpu: gpu))
        } while skip(ifSymbol: "|")
        try skip(";")
    }

    private mutating func placement(_ what: String) throws(LitmusError) -> Int {
        guard isWord(what) else { throw expected("'\(what)' and a number") }
        skip()
        guard case .number(let value) = token.kind, value >= 0 else { throw expected("a number of a \(what)") }
        skip()
        return value
    }

    /// The number of the thread that is named here, if the symbol follows.
    func threadNumber(followedBy symbol: String) -> Int? {
        guard position + 1 < tokens.count, tokens[position + 1].kind == .symbol(symbol) else { return nil }
        switch token.kind {
        case .number(let number): return number >= 0 ? number : nil
        case .word(let word) where word.first == "P" && word.dropFirst().allSatisfy({ $0.isASCII && $0.isNumber }):
            return Int(word.dropFirst())
        default: return nil
        }
    }

    /// `locations [x; P0:r1]`, a list of what else to print: skipped.
    private mutating func skipList() throws(LitmusError) {
        skip()
        try skip("[")
        while !isSymbol("]") {
            guard token.kind != .end else { throw expected("']'") }
            skip()
        }
        skip()
        skip(ifSymbol: ";")
    }
}
