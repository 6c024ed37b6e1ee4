/// A JSON value as it stands in a file of a checkpoint.
enum JSONValue: Equatable, Sendable {
    case null
    case bool(Bool)
    /// The number as it is spelled: 2^53 + 1 and 128.0 stay what they are. `NaN`, `Infinity` and `-Infinity`, which
    /// Python writes, are numbers too, so that errors can name them where a finite one is needed.
    case number(String)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    /// The value as a whole number, nil if it is none or does not fit: `128` and `128.0`, but not `128.5` or `true`.
    var integer: Int? {
        guard case .number(let text) = self else { return nil }
        if let exact = Int(text) { return exact }
        // Above 2^53 a Double no longer tells neighbours apart.
        guard let double, double.magnitude <= 0x1p53 else { return nil }
        return Int(exactly: double)
    }

    /// The value as a finite number, nil if it is none.
    var double: Double? {
        guard case .number(let text) = self, let value = Double(text), value.isFinite else { return nil }
        return value
    }

    /// How a message quotes the value.
    var quoted: String {
        switch self {
        case .null: "null"
        case .bool(let value): "\(value)"
        case .number(let text): text
        case .string(let text): "\"\(text)\""
        case .array(let values): "[" + values.map(\.quoted).joined(separator: ", ") + "]"
        case .object: "an object"
        }
    }

    /// `quoted`, but a string as it is.
    var unquoted: String {
        if case .string(let text) = self { return text }
        return quoted
    }

    /// Whether the value asks for nothing: null, false, 0, an empty string, or a list or an object of such.
    var isOff: Bool {
        switch self {
        case .null: true
        case .bool(let value): !value
        case .number: double == 0
        case .string(let text): text.isEmpty
        case .array(let values): values.allSatisfy(\.isOff)
        case .object(let object): object.values.values.allSatisfy(\.isOff)
        }
    }

    /// Whether two values mean the same: numbers by value, 1 and 1.0.
    func isEqual(to other: JSONValue) -> Bool {
        if let own = double, let others = other.double { return own == others }
        return self == other
    }
}

/// A JSON object; no key stands in it twice.
struct JSONObject: Equatable, Sendable {
    /// The values by their keys, escapes resolved.
    var values: [String: JSONValue]

    /// The value of a key; nil when it is absent, and when it is null.
    subscript(key: String) -> JSONValue? {
        guard let value = values[key], value != .null else { return nil }
        return value
    }
}

/// Why a text is not the JSON that is asked for.
enum JSONError: Error, Equatable {
    /// The text breaks the grammar, or a value has the wrong type; a phrase without a full stop.
    case malformed(String)
    /// An object has a key twice. `path` leads to the object; it is empty for the outermost one.
    case repeatedKey(String, path: [String])

    /// A phrase without a full stop.
    var reason: String {
        switch self {
        case .malformed(let reason): reason
        case .repeatedKey(let key, let path):
            "the key \(key)\(path.isEmpty ? "" : " of " + path.joined(separator: ".")) is there more than once"
        }
    }
}

extension JSONValue: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, ExpressibleByBooleanLiteral {
    init(integerLiteral value: Int) { self = .number("\(value)") }
    init(stringLiteral value: String) { self = .string(value) }
    init(booleanLiteral value: Bool) { self = .bool(value) }
}
