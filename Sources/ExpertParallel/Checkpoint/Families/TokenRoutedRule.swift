/// Which layers of a family choose experts by a table with a row for each token id, not by the router's scores.
struct TokenRoutedRule: Sendable {
    /// Key of the number of such layers, the first ones.
    let count: ConfigurationKey<Int>
    /// Key of a list with the kind of each layer; it takes precedence.
    let types: String
    /// The list's words for such layers and for the others.
    let names: (routed: String, others: String)
    /// Name of the table, `[token ids, topK]`.
    let table: String

    /// The indices of those layers. Throws `configurationInvalid`, and `configurationMalformed` without either key.
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
