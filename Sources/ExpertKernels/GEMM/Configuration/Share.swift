/// A part of a grid's thread blocks.
struct Share: Hashable, Sendable, CustomStringConvertible {
    let numerator: Int
    let denominator: Int

    init(_ numerator: Int, of denominator: Int) {
        self.numerator = numerator
        self.denominator = denominator
    }

    var description: String { "\(numerator)/\(denominator)" }
}
