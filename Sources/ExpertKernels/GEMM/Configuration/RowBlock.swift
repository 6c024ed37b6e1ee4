/// A row block of a local expert.
package struct RowBlock: Hashable, Sendable {
    /// Local expert.
    package var expert: Int
    /// Number of the row block in the expert.
    package var index: Int

    /// Row block `index` of local expert `expert`.
    package init(expert: Int, index: Int) {
        self.expert = expert
        self.index = index
    }
}
