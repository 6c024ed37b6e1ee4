extension String {
    /// The text with control characters, line separators and invisible formatting spelled as `\u{1B}`.
    ///
    /// Names from a file may hold what moves the cursor, changes colours or turns the direction of writing, and a
    /// message that quotes them must not.
    var escapingControls: String {
        guard unicodeScalars.contains(where: Self.isInvisible) else { return self }
        return unicodeScalars.reduce(into: "") { text, scalar in
            if Self.isInvisible(scalar) {
                text += "\\u{" + String(scalar.value, radix: 16, uppercase: true) + "}"
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
    }

    private static func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned: true
        default: false
        }
    }
}
