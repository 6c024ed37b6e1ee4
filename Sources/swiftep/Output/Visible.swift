/// `text` with characters escaped that would move a terminal's cursor, change its state, or turn the direction of
/// writing.
///
/// - Parameters:
///   - kept: Characters that are not escaped.
///   - spelling: The escape of a character; `\u{1B}` and the like by default.
func visible(
    _ text: String, keeping kept: Set<Unicode.Scalar> = [],
    spelling: (Unicode.Scalar) -> String = { "\\u{" + String($0.value, radix: 16, uppercase: true) + "}" }
) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
        if isInvisible(scalar), !kept.contains(scalar) {
            result.append(contentsOf: spelling(scalar).unicodeScalars)
        } else {
            result.append(scalar)
        }
    }
    return String(result)
}

private func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
    // Quick for long texts.
    if (0x20..<0x7F).contains(scalar.value) { return false }
    return switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned: true
    default: false
    }
}

/// The escape of a character in JSON strings: `\u001b`, and two units for those beyond the first 65,536.
func jsonSpelling(_ scalar: Unicode.Scalar) -> String {
    String(scalar).utf16.map { unit in
        let digits = String(unit, radix: 16)
        return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }.joined()
}
