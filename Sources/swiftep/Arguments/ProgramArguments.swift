/// The words that the program was called with.
enum ProgramArguments {
    /// The words after the program's name.
    ///
    /// Throws `UsageError.notUTF8`: with replacement characters, a path would be that of another file.
    static func words() throws(UsageError) -> [String] {
        var words: [String] = []
        for index in 1..<max(1, Int(CommandLine.argc)) {
            guard let bytes = CommandLine.unsafeArgv[index] else { break }
            guard let word = String(validatingCString: bytes) else {
                throw .notUTF8(argument: index, shown: String(cString: bytes))
            }
            words.append(word)
        }
        return words
    }
}
