/// The JSON header of a safetensors file: tensors by name, and `__metadata__`.
struct SafetensorsHeader: Encodable {
    /// One tensor: element type, shape, and where its bytes begin and end after the header.
    struct Entry: Encodable {
        var type: String
        var shape: [Int]
        var offsets: [Int]

        enum CodingKeys: String, CodingKey {
            case type = "dtype"
            case shape
            case offsets = "data_offsets"
        }
    }

    /// Any string as a key.
    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(_ name: String) { stringValue = name }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    private static let metadataName = "__metadata__"

    var entries: [String: Entry]
    var metadata: [String: String]

    init(entries: [String: Entry], metadata: [String: String] = [:]) {
        self.entries = entries
        self.metadata = metadata
    }

    /// The header of a file, from its JSON. Throws `JSONError` for anything but a table of tensors.
    init(_ object: JSONObject) throws(JSONError) {
        entries = [:]
        metadata = [:]
        entries.reserveCapacity(object.values.count)
        for (name, value) in object.values {
            guard case .object(let fields) = value else {
                throw .malformed("\(name) is \(value.quoted) and must be an object")
            }
            if name == Self.metadataName {
                for (key, value) in fields.values {
                    guard case .string(let text) = value else {
                        throw .malformed("\(name).\(key) is \(value.quoted) and must be a string")
                    }
                    metadata[key] = text
                }
            } else {
                entries[name] = try Entry(fields, of: name)
            }
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(metadata, forKey: Key(Self.metadataName))
        for (name, entry) in entries {
            try container.encode(entry, forKey: Key(name))
        }
    }
}

extension SafetensorsHeader.Entry {
    fileprivate init(_ fields: JSONObject, of name: String) throws(JSONError) {
        guard case .string(let type) = try Self.value("dtype", fields, name) else {
            throw .malformed("\(name).dtype must be a string")
        }
        self.type = type
        shape = try Self.integers("shape", fields, name)
        offsets = try Self.integers("data_offsets", fields, name)
    }

    private static func value(_ key: String, _ fields: JSONObject, _ name: String) throws(JSONError) -> JSONValue {
        guard let value = fields[key] else { throw .malformed("there is no \(key) at \(name)") }
        return value
    }

    private static func integers(_ key: String, _ fields: JSONObject, _ name: String) throws(JSONError) -> [Int] {
        let value = try value(key, fields, name)
        guard case .array(let values) = value else {
            throw .malformed("\(name).\(key) is \(value.quoted) and must be a list of whole numbers")
        }
        let integers = values.compactMap(\.integer)
        guard integers.count == values.count else {
            throw .malformed("\(name).\(key) is \(value.quoted) and must be a list of whole numbers")
        }
        return integers
    }
}
