/// Which layers of a family choose experts by a table with a row for each token number, not by the router's scores.
struct TokenRoutedRule: Sendable {
    /// Key of how many layers at the start do.
    let count: ConfigurationKey<Int>
    /// Key of a list that names all layers one way or the other; it wins where it is there.
    let types: String
    /// What the list calls them, and the others.
    let names: (routed: String, others: String)
    /// `[token numbers, topK]`, the table.
    let table: String

    /// The numbers of those layers. Throws `configurationInvalid`, and `configurationMalformed` without either key.
    func read(_ values: ConfigurationReader, layers: Int) throws(CheckpointError) -> Set<Int> {
        guard values.value(types) != nil else { return Set(0..<(try values.integer(count, 0...layers))) }
        let list = try values.optional(types, as: [String].self) ?? []
        guard list.count == layers, list.allSatisfy({ $0 == names.routed || $0 == names.others }) else {
            throw values.invalid(types, "a list of \(names.routed) or \(names.others) for \(layers) layers")
        }
        let found = Set(list.indices.filter { list[$0] == names.routed })
        if let given = try values.optional(count.names[0], as: Int.self), Set(0..<max(0, given)) != found {
            throw values.invalid(count.names[0], "the number of layers that \(types) calls \(names.routed)")
        }
        return found
    }
}
