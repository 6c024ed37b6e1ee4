/// Why a text is no litmus test that can be read.
package struct LitmusError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong.
    package enum Problem: Hashable, Sendable {
        /// It does not begin with `PTX`.
        case language(found: String)
        /// A character that no word begins with.
        case character(String)
        /// A comment without its end.
        case openComment
        /// A number of more than 63 bits.
        case number(String)
        /// Something else should stand here.
        case expected(String, found: String)
        /// An instruction or a modifier that the reader does not know, with what it knows.
        case unknown(String, word: String, known: [String])
        /// Two modifiers of one kind, or one that does not go with the instruction.
        case modifier(String)
        /// Something that is not there: a thread, a label.
        case missing(String, name: String)
        /// Declared twice.
        case repeated(String, name: String)
        /// A row with another number of cells than there are threads.
        case cells(found: Int, threads: Int)
        /// More of something than a test may have.
        case tooMany(String, limit: Int)
    }

    /// What is wrong.
    package let problem: Problem
    /// Line, from 1.
    package let line: Int
    /// Character in the line, from 1.
    package let column: Int

    /// `line:column: ` and a sentence.
    package var description: String { "\(line):\(column): \(sentence)" }

    private var sentence: String {
        switch problem {
        case .language(let found): "the test begins with '\(found)'; only tests that begin with PTX can be read"
        case .character(let character): "'\(character)' is no part of the format"
        case .openComment: "the comment that begins here does not end; end it with *)"
        case .number(let text): "\(text) does not fit into 63 bits and a sign"
        case .expected(let what, let found): "\(what) is expected here, not \(found)"
        case .unknown(let what, let word, let known):
            "'\(word)' is no \(what); there are \(known.joined(separator: ", "))"
        case .modifier(let text): text
        case .missing(let what, let name): "there is no \(what) \(name)"
        case .repeated(let what, let name): "\(what) \(name) is there twice"
        case .cells(let found, let threads): "the row has \(found) cells, and there are \(threads) threads"
        case .tooMany(let what, let limit): "a test may have \(limit) \(what) at most"
        }
    }
}
