/// A command line that cannot be followed; ends with exit code 64.
enum UsageError: Error, Equatable, CustomStringConvertible {
    /// No such command.
    case unknownCommand(String, path: [String], valid: [String])
    /// No such option.
    case unknownOption(String, path: [String], valid: [String])
    /// An option without its value.
    case missingValue(option: String, placeholder: String)
    /// A value that is not valid.
    case invalidValue(option: String, value: String, expected: String)
    /// An option given more than once.
    case repeatedOption(String)
    /// One argument too many.
    case unexpectedArgument(String, path: [String])
    /// One argument too few.
    case missingArgument(String, path: [String])
    /// An argument, counted from 1, whose bytes are no text; shown with replacement characters.
    case notUTF8(argument: Int, shown: String)
    /// Options that do not go together, or values that do not fit each other.
    case conflict(String)

    /// One or two sentences with the given and the valid values.
    var description: String {
        switch self {
        case .unknownCommand(let word, let path, let valid):
            "\(path.joined(separator: " ")) has no command '\(word)'; \(hint(word, valid))"
        case .unknownOption(let word, let path, let valid):
            "\(path.joined(separator: " ")) has no option '\(word)'; \(hint(word, valid))"
        case .missingValue(let option, let placeholder):
            "\(option) needs a value: \(option) \(placeholder)"
        case .invalidValue(let option, let value, let expected):
            "\(option) is '\(value)'; it takes \(expected)"
        case .repeatedOption(let option):
            "\(option) is given more than once; give it once"
        case .unexpectedArgument(let word, let path):
            "\(path.joined(separator: " ")) does not take the argument '\(word)'"
        case .missingArgument(let name, let path):
            "\(path.joined(separator: " ")) needs \(name)"
        case .notUTF8(let argument, let shown):
            "argument \(argument), '\(shown)', is not UTF-8; use names that are"
        case .conflict(let text):
            text
        }
    }
}

/// `did you mean 'run'? Valid: run, verify`.
private func hint(_ word: String, _ valid: [String]) -> String {
    let guess = nearest(to: word, among: valid).map { "did you mean '\($0)'? Valid" } ?? "valid"
    return "\(guess): \(valid.joined(separator: ", "))"
}

/// The candidate that `word` was most probably meant to be; nil when none is near.
func nearest(to word: String, among candidates: [String]) -> String? {
    let limit = max(2, word.count / 3)
    let distances = candidates.map { (candidate: $0, distance: editDistance(word, $0)) }
    return distances.filter { $0.distance <= limit && $0.distance < word.count }.min { $0.distance < $1.distance }?
        .candidate
}

/// The number of characters to insert, remove or replace to turn `b` into `a`.
func editDistance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a), Array(b))
    var row = Array(0...b.count)
    for (i, character) in a.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, other) in b.enumerated() {
            let replaced = diagonal + (character == other ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(replaced, row[j] + 1, diagonal + 1)
        }
    }
    return row[b.count]
}
