extension RankWindow {
    /// A region of the window, for tables.
    package struct RegionSize: Hashable, Sendable {
        /// The region's name.
        package let name: String
        /// Its size.
        package let bytes: Int
    }

    /// Sizes of all regions that are not empty, in their order.
    package var regionSizes: [RegionSize] {
        let all = [
            ("beat", beat.bytes), ("rows", rows.bytes), ("scales", scales.bytes), ("sourceInfo", sourceInfo.bytes),
            ("arrivals", arrivals.bytes), ("linkPositions", linkPositions.bytes), ("rowCounts", rowCounts.bytes),
            ("linkStarts", linkStarts.bytes), ("landing", landing.bytes),
            ("landingArrivals", landingArrivals.bytes), ("agreedCounts", agreedCounts.bytes),
            ("combineRows", combineRows.bytes),
            ("combineArrivals", combineArrivals.bytes), ("combineDue", combineDue.bytes),
            ("arrivalNotes", arrivalNotes.bytes), ("barriers", barriers.bytes),
            ("networkLanding", networkLanding.bytes),
            ("landedRows", landedRows.bytes), ("landedResults", landedResults.bytes),
            ("rowCountsDue", rowCountsDue.bytes), ("landedRowsDue", landedRowsDue.bytes),
            ("landedResultsDue", landedResultsDue.bytes),
        ]
        return all.filter { $0.1 > 0 }.map { RegionSize(name: $0.0, bytes: $0.1) }
    }
}
