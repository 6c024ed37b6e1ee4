/// One of several parts of a list of cases.
struct CasePart: Hashable, Sendable, CustomStringConvertible {
    /// From 1 to `count`.
    let number: Int
    let count: Int

    /// Reads `2/4`; nil for anything else.
    init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let number = strictInteger(String(parts[0])),
            let count = strictInteger(String(parts[1])),
            (1...1000).contains(count), (1...count).contains(number)
        else { return nil }
        self.number = number
        self.count = count
    }

    /// An option that takes a part.
    static func option(help: String) -> Option<CasePart> {
        Option(
            "part", "I/N", help: help, expected: "a part and the number of parts, 1 to 1000, such as 2/4",
            parse: CasePart.init)
    }

    /// The refusal of a part that holds none of `count` cases.
    func emptyError(of count: Int, _ cases: String) -> UsageError {
        .conflict("\(count) \(cases) have no part \(self); take at most \(count) parts")
    }

    var description: String { "\(number)/\(count)" }

    /// Whether the case at `index` is in this part: every `count`th, as neighbours take about the same time.
    func contains(_ index: Int) -> Bool { index % count == number - 1 }

    /// The cases of this part.
    func cases<Case>(of all: [Case]) -> [Case] { all.indices.filter(contains).map { all[$0] } }
}
