/// Groups of channels of FP8 values that share a scale.
package enum ScaleGroup {
    /// Channels that share a scale: of a row, or of 128 output channels of weights.
    package static let channels = 128

    /// Number of groups that `count` channels fill, a partial last one included.
    package static func groups(_ count: Int) -> Int { (count + channels - 1) / channels }

    /// `count` channels rounded up to whole groups.
    package static func padded(_ count: Int) -> Int { groups(count) * channels }

    /// Rows of a scale array with room for `maxRows` rows, rounded up to whole row blocks of the greatest height, since
    /// scales are loaded by the row block.
    package static func rows(_ maxRows: Int) -> Int { (maxRows + TileShape.maxM - 1) / TileShape.maxM * TileShape.maxM }
}
