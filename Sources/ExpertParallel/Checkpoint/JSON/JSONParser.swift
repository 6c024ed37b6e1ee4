/// Reads JSON as RFC 8259 defines it, and besides it `NaN` and `Infinity`, which Python's `json` writes.
///
/// Unlike usual decoders it refuses an object that has a key twice, in whatever spelling: they keep one of the two
/// values silently, which hides a damaged file, and different readers keep different ones.
struct JSONParser {
    /// Most levels of nested objects and arrays: far above any checkpoint's, and safe for the stack.
    static let depthLimit = 64

    private let text: UnsafeRawBufferPointer
    private var position = 0
    private var path: [String] = []
    private var depth = 0

    /// Parses a whole UTF-8 text. Throws `JSONError`.
    static func parse(_ text: UnsafeRawBufferPointer) throws(JSONError) -> JSONValue {
        var parser = JSONParser(text)
        let value = try parser.value()
        parser.skipSpace()
        guard parser.position == text.count else { throw parser.error("there is more after the end of the value") }
        return value
    }

    /// Parses a whole UTF-8 text that must be an object. Throws `JSONError`.
    static func parseObject(_ text: UnsafeRawBufferPointer) throws(JSONError) -> JSONObject {
        guard case .object(let object) = try parse(text) else { throw .malformed("it is no JSON object") }
        return object
    }

    private init(_ text: UnsafeRawBufferPointer) { self.text = text }

    private var next: UInt8? { position < text.count ? text[position] : nil }

    private func error(_ what: String) -> JSONError {
        let place = path.isEmpty ? "" : " in \(path.joined(separator: "."))"
        return .malformed("invalid JSON at byte \(position)\(place): \(what)")
    }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    /// Steps over `byte` if it is next, after white space.
    private mutating func take(_ byte: Unicode.Scalar) -> Bool {
        skipSpace()
        guard next == UInt8(ascii: byte) else { return false }
        position += 1
        return true
    }

    private mutating func value() throws(JSONError) -> JSONValue {
        skipSpace()
        switch next {
        case nil: throw error("the text ends where a value should be")
        case UInt8(ascii: "{"): return try .object(nested { (parser) throws(JSONError) in try parser.object() })
        case UInt8(ascii: "["): return try .array(nested { (parser) throws(JSONError) in try parser.array() })
        case UInt8(ascii: "\""): return .string(try string())
        default: return try word()
        }
    }

    private mutating func nested<Value>(
        _ body: (inout JSONParser) throws(JSONError) -> Value
    ) throws(JSONError) -> Value {
        depth += 1
        guard depth <= Self.depthLimit else { throw error("values are nested more than \(Self.depthLimit) deep") }
        position += 1
        let value = try body(&self)
        depth -= 1
        return value
    }

    private mutating func object() throws(JSONError) -> JSONObject {
        var values: [String: JSONValue] = [:]
        if take("}") { return JSONObject(values: values) }
        repeat {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw error("a key in quotes should be here") }
            let key = try string()
            guard values[key] == nil else { throw .repeatedKey(key, path: path) }
            guard take(":") else { throw error("a colon should follow the key \(key)") }
            path.append(key)
            values[key] = try value()
            path.removeLast()
        } while take(",")
        guard take("}") else { throw error("a comma or } should be here") }
        return JSONObject(values: values)
    }

    private mutating func array() throws(JSONError) -> [JSONValue] {
        var values: [JSONValue] = []
        if take("]") { return values }
        repeat { values.append(try value()) } while take(",")
        guard take("]") else { throw error("a comma or ] should be here") }
        return values
    }
}

// MARK: Words and strings

extension JSONParser {
    private static let endsOfWords = Set(",:]}[{\"".utf8).union([0x20, 0x0A, 0x0D, 0x09])

    /// `true`, `false`, `null` or a number.
    private mutating func word() throws(JSONError) -> JSONValue {
        let start = position
        while let byte = next, !Self.endsOfWords.contains(byte) { position += 1 }
        let bytes = text[start..<position]
        let word = String(decoding: bytes, as: UTF8.self)
        switch word {
        case "true": return .bool(true)
        case "false": return .bool(false)
        case "null": return .null
        case "NaN", "Infinity", "-Infinity": return .number(word)
        default:
            position = start
            guard Self.isNumber(bytes) else { throw error("\(word.isEmpty ? "this" : word) is no value") }
            position = bytes.endIndex
            return .number(word)
        }
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
    private static func isNumber(_ bytes: Slice<UnsafeRawBufferPointer>) -> Bool {
        var rest = bytes
        func takeDigits() -> Int {
            let count = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }.count
            rest = rest.dropFirst(count)
            return count
        }
        func take(_ choices: String) -> Bool {
            guard let byte = rest.first, choices.utf8.contains(byte) else { return false }
            rest = rest.dropFirst()
            return true
        }
        _ = take("-")
        if !take("0"), takeDigits() == 0 { return false }
        if take("."), takeDigits() == 0 { return false }
        if take("eE") {
            _ = take("+-")
            if takeDigits() == 0 { return false }
        }
        return rest.isEmpty
    }

    private mutating func string() throws(JSONError) -> String {
        position += 1
        let start = position
        while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { position += 1 }
        if next == UInt8(ascii: "\"") {
            position += 1
            return try decoded(text[start..<position - 1])
        }
        var bytes = Array(text[start..<position])
        while let byte = next, byte != UInt8(ascii: "\"") {
            guard byte >= 0x20 else { throw error("a control character stands in a string") }
            position += 1
            if byte == UInt8(ascii: "\\") { bytes += try escaped() } else { bytes.append(byte) }
        }
        guard next != nil else { throw error("the text ends inside a string") }
        position += 1
        return try decoded(bytes)
    }

    private func decoded(_ bytes: some Collection<UInt8>) throws(JSONError) -> String {
        guard let string = String(validating: bytes, as: UTF8.self) else { throw error("a string is not UTF-8") }
        return string
    }

    /// The UTF-8 of the escape after a backslash.
    private mutating func escaped() throws(JSONError) -> [UInt8] {
        guard let byte = next else { throw error("the text ends inside a string") }
        position += 1
        switch Character(Unicode.Scalar(byte)) {
        case "\"", "\\", "/": return [byte]
        case "b": return [0x08]
        case "f": return [0x0C]
        case "n": return [0x0A]
        case "r": return [0x0D]
        case "t": return [0x09]
        case "u": return try escapedScalar()
        default: throw error("there is no such escape in JSON")
        }
    }

    private mutating func escapedScalar() throws(JSONError) -> [UInt8] {
        var units = [try codeUnit()]
        if UTF16.isLeadSurrogate(units[0]), position + 1 < text.count, text[position] == UInt8(ascii: "\\"),
            text[position + 1] == UInt8(ascii: "u")
        {
            position += 2
            units.append(try codeUnit())
        }
        guard let string = String(validating: units, as: UTF16.self) else {
            throw error("half of a surrogate pair stands in a string")
        }
        return Array(string.utf8)
    }

    private mutating func codeUnit() throws(JSONError) -> UInt16 {
        let digits = text[position..<min(position + 4, text.count)]
        guard digits.count == 4, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw error("four hexadecimal digits should follow \\u") }
        position += 4
        return unit
    }
}
