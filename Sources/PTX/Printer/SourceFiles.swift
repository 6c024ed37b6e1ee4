/// The Swift files that the `.loc` directives of a module name by number, from 1, in the order in which they come up.
struct SourceFiles {
    private var numbers: [String: Int] = [:]
    private var names: [String] = []

    /// The file's number; a file that has none gets the next one.
    mutating func number(of file: String) -> Int {
        if let known = numbers[file] { return known }
        names.append(file)
        numbers[file] = names.count
        return names.count
    }

    /// A `.file` directive for each file, for the end of the module.
    var directives: String {
        names.enumerated().map { "\n.file \($0 + 1) \"\($1)\"" }.joined() + (names.isEmpty ? "" : "\n")
    }
}
