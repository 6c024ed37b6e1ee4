/// FP8 values and their scales.
package enum ScaleGroup {
    /// Channels that share a scale: of a row, or of 128 output channels of weights.
    package static let channels = 128

    /// Groups of `count` channels, of which the last may be a part of one.
    package static func groups(_ count: Int) -> Int { (count + channels - 1) / channels }

    /// `count` channels rounded up to whole groups.
    package static func padded(_ count: Int) -> Int { groups(count) * channels }

    /// Rows of a scale array with room for `maxRows` rows: whole row blocks of the highest kind, as scales are loaded
    /// by the row block.
    package static func rows(_ maxRows: Int) -> Int { (maxRows + TileShape.maxM - 1) / TileShape.maxM * TileShape.maxM }
}
