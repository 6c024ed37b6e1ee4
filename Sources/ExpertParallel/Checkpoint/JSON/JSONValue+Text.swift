extension JSONValue {
    /// The value as JSON text: keys in order, each member of an object on a line of its own, lists on one line.
    func text(indent: String = "") -> String {
        switch self {
        case .null: return "null"
        case .bool(let value): return "\(value)"
        case .number(let text): return text
        case .string(let text): return Self.quote(text)
        case .array(let values):
            return "[" + values.map { $0.text(indent: indent) }.joined(separator: ", ") + "]"
        case .object(let object):
            let deeper = indent + "  "
            let members = object.values.sorted { $0.key < $1.key }.map {
                "\n\(deeper)\(Self.quote($0.key)): \($0.value.text(indent: deeper))"
            }
            return members.isEmpty ? "{}" : "{" + members.joined(separator: ",") + "\n\(indent)}"
        }
    }

    private static func quote(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\\(scalar)"
            case "\0"..<" ":
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
