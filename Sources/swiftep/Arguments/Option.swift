/// An option without the type of its values, as a command keeps it.
protocol AnyOption: Sendable {
    /// Name without the dashes.
    var name: String { get }
    /// The placeholder of the value in help; nil for a flag.
    var placeholder: String? { get }
    /// What the option does, its range and its default.
    var help: String { get }
    /// The value that `text` stands for. Throws `UsageError.invalidValue`.
    func value(of text: String) throws(UsageError) -> any Sendable
}

/// An option with a value, or a flag.
struct Option<Value: Sendable>: AnyOption {
    let name: String
    let placeholder: String?
    let help: String
    /// The valid values, in the words of errors.
    let expected: String
    private let parse: @Sendable (String) -> Value?

    /// An option `--name PLACEHOLDER`; `parse` returns nil for a text that is not valid.
    init(
        _ name: String, _ placeholder: String, help: String, expected: String,
        parse: @escaping @Sendable (String) -> Value?
    ) {
        self.name = name
        self.placeholder = placeholder
        self.help = help
        self.expected = expected
        self.parse = parse
    }

    func value(of text: String) throws(UsageError) -> any Sendable {
        guard let value = parse(text) else {
            throw .invalidValue(option: "--" + name, value: text, expected: expected)
        }
        return value
    }
}

extension Option where Value == Bool {
    /// A flag `--name`.
    static func flag(_ name: String, help: String) -> Option {
        Option(flag: name, help: help)
    }

    private init(flag name: String, help: String) {
        self.name = name
        self.help = help
        placeholder = nil
        expected = "no value"
        parse = { $0.isEmpty ? true : nil }
    }
}

extension Option where Value == Int {
    /// A whole number in a range, a multiple of `step`.
    static func integer(
        _ name: String, _ placeholder: String = "N", in range: ClosedRange<Int>, multipleOf step: Int = 1, help: String
    ) -> Option {
        Option(
            name, placeholder, help: help,
            expected: (step == 1 ? "a whole number" : "a multiple of \(step)")
                + " from \(range.lowerBound) to \(range.upperBound)"
        ) { text in
            strictInteger(text).flatMap { range.contains($0) && $0 % step == 0 ? $0 : nil }
        }
    }

    /// One of a few whole numbers.
    static func integer(_ name: String, _ placeholder: String = "N", oneOf choices: [Int], help: String) -> Option {
        Option(name, placeholder, help: help, expected: alternatives(choices.map(String.init))) { text in
            strictInteger(text).flatMap { choices.contains($0) ? $0 : nil }
        }
    }
}

extension Option where Value == UInt64 {
    /// A seed: any 64-bit number.
    static func seed(help: String) -> Option {
        Option("seed", "N", help: help, expected: "a whole number from 0 to \(UInt64.max)") { text in
            isDigits(text) ? UInt64(text) : nil
        }
    }
}

extension Option where Value == Double {
    /// A decimal number above 0 and at most `limit`.
    static func positive(_ name: String, _ placeholder: String, limit: Int, help: String) -> Option {
        Option(name, placeholder, help: help, expected: "a number above 0 and at most \(limit)") { text in
            // Double itself also takes hexadecimal, infinity and NaN.
            guard text.utf8.allSatisfy({ "0123456789.e-".utf8.contains($0) }), let value = Double(text) else {
                return nil
            }
            return value > 0 && value <= Double(limit) ? value : nil
        }
    }
}

extension Option where Value == String {
    /// Any text that is not empty.
    static func text(_ name: String, _ placeholder: String, help: String) -> Option {
        Option(name, placeholder, help: help, expected: "a text that is not empty") { $0.isEmpty ? nil : $0 }
    }
}

extension Option where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of the cases of an enumeration.
    static func choice(_ name: String, help: String) -> Option {
        let names = Value.allCases.map(\.rawValue)
        return Option(name, names.joined(separator: "|"), help: help, expected: alternatives(names)) {
            Value(rawValue: $0)
        }
    }
}

/// A decimal whole number without sign tricks, spaces or separators.
func strictInteger(_ text: String) -> Int? {
    isDigits(text.hasPrefix("-") ? text.dropFirst() : text[...]) ? Int(text) : nil
}

func isDigits(_ text: some StringProtocol) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
}

/// `a, b or c`.
func alternatives(_ names: [String]) -> String {
    guard let last = names.last, names.count > 1 else { return names.joined() }
    return names.dropLast().joined(separator: ", ") + " or " + last
}
