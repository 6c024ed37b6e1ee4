/// The options for files of results.
enum ResultOptions {
    static let results = Option<String>.text(
        "results", "FILE",
        help:
            "Adds each row of the result to FILE as a line of JSON, with date, commit, card, driver and command. FILE is "
            + "a new name or a regular file.")
    static let commit = Option<String>.text(
        "commit", "NAME",
        help:
            "The commit that lines of --results name. Default: what \(ResultOrigin.commitVariable) says, else what git "
            + "says of the working directory, if it is there.")
}
