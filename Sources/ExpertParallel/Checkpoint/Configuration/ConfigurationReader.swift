/// An object of a `config.json`, read by key; keeps track of the keys that have not been read.
///
/// Values that are null count as absent, as they do for the libraries that write these files.
final class ConfigurationReader {
    /// Path of the file, for messages.
    let file: String
    /// Path of keys that leads to the object, each followed by a dot.
    let prefix: String
    private let object: JSONObject
    private var asked: Set<String> = []

    /// Reads a file. Throws `fileUnreadable`, and `configurationMalformed` for text that is no JSON object.
    convenience init(file: String) throws(CheckpointError) {
        let mapping = try MappedFile(path: file)
        let object: JSONObject
        do throws(JSONError) {
            object = try JSONParser.parseObject(mapping.bytes)
        } catch {
            throw .configurationMalformed(file: file, reason: error.reason)
        }
        self.init(file: file, object: object)
    }

    /// Reads from an object.
    init(file: String, prefix: String = "", object: JSONObject) {
        self.file = file
        self.prefix = prefix
        self.object = object
    }

    /// The value of a key, nil without one.
    func value(_ key: String) -> JSONValue? {
        asked.insert(key)
        return object[key]
    }

    /// Keys that have not been read, sorted. Values that are null, false, 0 or empty, or lists of such, change nothing
    /// and do not count.
    var unread: [String] {
        object.values.filter { !asked.contains($0.key) && !$0.value.isOff }.map(\.key).sorted()
    }

    /// The object of a key, nil without one. Throws `configurationInvalid` for any other value.
    func nested(_ key: String) throws(CheckpointError) -> ConfigurationReader? {
        guard let value = value(key) else { return nil }
        guard case .object(let object) = value else { throw invalid(key, "an object") }
        return ConfigurationReader(file: file, prefix: prefix + key + ".", object: object)
    }

    /// A value of a type, nil when there is none. Throws `configurationInvalid` for any other value.
    func optional<Value: ConfigurationValue>(
        _ key: String, as type: Value.Type = Value.self
    ) throws(CheckpointError) -> Value? {
        guard let value = value(key) else { return nil }
        guard let result = Value(value) else { throw invalid(key, Value.expected) }
        return result
    }

    /// A value under one of the key's names, or the key's default where it is absent.
    ///
    /// Throws `configurationMalformed` when it is absent and there is no default, `configurationInvalid` for a value of
    /// another type and for names that disagree.
    func callAsFunction<Value: ConfigurationValue>(_ key: ConfigurationKey<Value>) throws(CheckpointError) -> Value {
        var found: Value?
        for name in key.names {
            guard let value = try optional(name, as: Value.self) else { continue }
            guard found == nil || found == value else { throw invalid(name, "the same as \(prefix + key.names[0])") }
            found = value
        }
        if let value = found ?? key.absent { return value }
        throw .configurationMalformed(
            file: file, reason: "there is no \(key.names.map { prefix + $0 }.joined(separator: " or "))")
    }

    /// A whole number of the key within a range. Throws as above, and `configurationInvalid` for one outside.
    func integer(
        _ key: ConfigurationKey<Int>, _ range: ClosedRange<Int>, _ expected: String? = nil
    ) throws(CheckpointError) -> Int {
        let value = try self(key)
        guard range.contains(value) else {
            throw invalid(key.name(in: object), expected ?? "between \(range.lowerBound) and \(range.upperBound)")
        }
        return value
    }

    /// Refuses any value of a key but these, and absence unless it is allowed. Throws `configurationInvalid`.
    func require(_ key: String, _ allowed: [JSONValue], orAbsent: Bool = true) throws(CheckpointError) {
        guard let value = value(key) else {
            if orAbsent { return }
            throw .configurationMalformed(file: file, reason: "there is no \(prefix + key)")
        }
        guard allowed.contains(where: { value.isEqual(to: $0) }) else {
            throw invalid(key, allowed.map(\.unquoted).joined(separator: " or "))
        }
    }

    /// The error for a value that is not what is expected.
    func invalid(_ key: String, _ expected: String) -> CheckpointError {
        .configurationInvalid(
            file: file, key: prefix + key, value: object[key]?.quoted ?? "absent", expected: expected)
    }
}

/// The names of a value in `config.json`, and its default.
struct ConfigurationKey<Value: ConfigurationValue>: Sendable {
    /// Names of the same value; the first one is written.
    let names: [String]
    /// The default of the model's own code; nil where it has none.
    let absent: Value?

    init(_ names: String..., absent: Value? = nil) {
        self.names = names
        self.absent = absent
    }

    /// The name that an object uses.
    func name(in object: JSONObject) -> String { names.first { object[$0] != nil } ?? names[0] }
}

/// A type of values in `config.json`.
protocol ConfigurationValue: Equatable, Sendable {
    /// Converts a value; nil for one of another type.
    init?(_ value: JSONValue)
    /// The expected kind of value, in the words of errors.
    static var expected: String { get }
}

extension Int: ConfigurationValue {
    init?(_ value: JSONValue) {
        guard let integer = value.integer else { return nil }
        self = integer
    }
    static var expected: String { "a whole number" }
}

extension Double: ConfigurationValue {
    init?(_ value: JSONValue) {
        guard let double = value.double else { return nil }
        self = double
    }
    static var expected: String { "a finite number" }
}

extension Bool: ConfigurationValue {
    init?(_ value: JSONValue) {
        guard case .bool(let bool) = value else { return nil }
        self = bool
    }
    static var expected: String { "true or false" }
}

extension String: ConfigurationValue {
    init?(_ value: JSONValue) {
        guard case .string(let string) = value else { return nil }
        self = string
    }
    static var expected: String { "a string" }
}

extension Array: ConfigurationValue where Element: ConfigurationValue {
    init?(_ value: JSONValue) {
        guard case .array(let values) = value else { return nil }
        let elements = values.compactMap { Element($0) }
        guard elements.count == values.count else { return nil }
        self = elements
    }
    static var expected: String { "a list, each element \(Element.expected)" }
}
