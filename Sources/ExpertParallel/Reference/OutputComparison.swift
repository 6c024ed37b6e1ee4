import KernelLanguage

/// `‖output - reference‖ / ‖reference‖`, the Euclidean norms over all elements.
///
/// Infinite when the lengths differ, when anything is NaN or infinite, and for a difference from a reference of zeros;
/// so a comparison with a limit never passes on such outputs. 0 for two empty arrays.
package func relativeError(_ output: [Double], _ reference: [Double]) -> Double {
    guard output.count == reference.count else { return .infinity }
    var difference = 0.0
    var norm = 0.0
    for (value, wanted) in zip(output, reference) {
        difference += (value - wanted) * (value - wanted)
        norm += wanted * wanted
    }
    if difference == 0, norm.isFinite { return 0 }
    let error = (difference / norm).squareRoot()
    return error.isNaN ? .infinity : error
}

/// `‖output - reference‖ / ‖reference‖` for a BF16 output; see the other `relativeError`.
package func relativeError(_ output: [BFloat16], _ reference: [Double]) -> Double {
    relativeError(output.map { Double($0.float) }, reference)
}

/// `1 - 2⟨x, y⟩ / (⟨x, x⟩ + ⟨y, y⟩)`: 0 for equal vectors, 1 for orthogonal ones; a wrong length counts as well.
///
/// Infinite when the lengths differ or anything is NaN or infinite. 0 for two vectors of zeros.
package func cosineDistance(_ x: [Double], _ y: [Double]) -> Double {
    guard x.count == y.count else { return .infinity }
    var product = 0.0
    var squares = 0.0
    for (left, right) in zip(x, y) {
        product += left * right
        squares += left * left + right * right
    }
    if squares == 0 { return 0 }
    let distance = 1 - 2 * product / squares
    return distance.isFinite && squares.isFinite ? distance : .infinity
}

/// `cosineDistance` for a BF16 output.
package func cosineDistance(_ x: [BFloat16], _ y: [Double]) -> Double {
    cosineDistance(x.map { Double($0.float) }, y)
}

/// One element in which two outputs differ.
package struct OutputDifference: Hashable, Sendable, CustomStringConvertible {
    /// The rank whose output differs.
    package var rank: Int
    /// Index of the token on that rank.
    package var token: Int
    /// Channel of the token.
    package var channel: Int
    /// The output's value; nil when the output is too short.
    package var value: Double?
    /// The expected value; nil when the output is too long.
    package var expected: Double?

    /// A difference at this place.
    package init(rank: Int, token: Int, channel: Int, value: Double?, expected: Double?) {
        self.rank = rank
        self.token = token
        self.channel = channel
        self.value = value
        self.expected = expected
    }

    /// One line with the place and both values.
    package var description: String {
        "rank \(rank), token \(token), channel \(channel): \(value.map { "\($0)" } ?? "nothing")"
            + " instead of \(expected.map { "\($0)" } ?? "nothing")"
    }
}

/// The first element whose bits differ in two outputs, one array `[tokens, hidden]` for each rank; nil when they are
/// equal bit for bit.
package func firstDifference(
    _ output: [[BFloat16]], _ expected: [[BFloat16]], hidden: Int
) -> OutputDifference? {
    firstDifference(output, expected, hidden: hidden, value: { Double($0.float) }, agree: { $0.bits == $1.bits })
}

/// The first element that is further than `absolute + relative * |expected|` from the expected one, or is NaN; one
/// array `[tokens, hidden]` for each rank.
package func firstDifference(
    _ output: [[Double]], _ expected: [[Double]], hidden: Int, absolute: Double, relative: Double
) -> OutputDifference? {
    firstDifference(
        output, expected, hidden: hidden, value: { $0 },
        agree: { ($0 - $1).magnitude <= absolute + relative * $1.magnitude })
}

private func firstDifference<Element>(
    _ output: [[Element]], _ expected: [[Element]], hidden: Int, value: (Element) -> Double,
    agree: (Element, Element) -> Bool
) -> OutputDifference? {
    let width = max(1, hidden)
    for rank in 0..<max(output.count, expected.count) {
        let left = rank < output.count ? output[rank] : []
        let right = rank < expected.count ? expected[rank] : []
        for index in 0..<max(left.count, right.count) {
            if index < left.count, index < right.count, agree(left[index], right[index]) { continue }
            return OutputDifference(
                rank: rank, token: index / width, channel: index % width,
                value: index < left.count ? value(left[index]) : nil,
                expected: index < right.count ? value(right[index]) : nil)
        }
    }
    return nil
}
