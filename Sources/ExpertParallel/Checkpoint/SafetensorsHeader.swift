/// The JSON header of a safetensors file: tensors by name, and `__metadata__`.
struct SafetensorsHeader: Codable {
    /// One tensor: element type, shape, and where its bytes begin and end after the header.
    struct Entry: Codable {
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

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        entries = [:]
        metadata = [:]
        for key in container.allKeys {
            if key.stringValue == Self.metadataName {
                metadata = try container.decode([String: String].self, forKey: key)
            } else {
                entries[key.stringValue] = try container.decode(Entry.self, forKey: key)
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

/// What a JSON decoder did not like, in few words: the path of keys and the reason.
func decodingReason(_ error: any Error) -> String {
    guard let error = error as? DecodingError else { return "\(error)" }
    func at(_ context: DecodingError.Context) -> String {
        let path = context.codingPath.map(\.stringValue).joined(separator: ".")
        return path.isEmpty ? "" : " at \(path)"
    }
    switch error {
    case .keyNotFound(let key, let context):
        return "there is no \(key.stringValue)\(at(context))"
    case .typeMismatch(let type, let context):
        return "the value\(at(context)) is not of the type \(type)"
    case .valueNotFound(let type, let context):
        return "the value\(at(context)) is null instead of \(type)"
    case .dataCorrupted(let context):
        let text = context.debugDescription
        return "invalid JSON\(at(context)): \(text.hasSuffix(".") ? String(text.dropLast()) : text)"
    @unknown default:
        return "\(error)"
    }
}
