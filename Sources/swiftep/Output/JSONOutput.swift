#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension Console {
    /// Writes one JSON object to standard output.
    static func json(_ value: some Encodable) throws {
        // The encoder escapes only the characters that JSON requires, which are fewer than a terminal obeys.
        try result(visible(try jsonText(value, .prettyPrinted), keeping: ["\n"], spelling: jsonSpelling))
    }
}

/// `value` as JSON. Numbers that are not finite become the strings `inf`, `-inf`, `nan`.
func jsonText(_ value: some Encodable, _ formatting: JSONEncoder.OutputFormatting = []) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = formatting.union([.sortedKeys, .withoutEscapingSlashes])
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
        positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}
