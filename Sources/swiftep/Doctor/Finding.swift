/// One thing that was looked at: whether it works here, and what to do where it does not.
struct Finding: Encodable, Equatable {
    /// What can be said of it.
    enum Verdict: String, Encodable {
        case works
        /// It is not here, and something cannot be done without it.
        case missing
        /// It is here and does not do.
        case unusable
    }

    /// What was looked at.
    let name: String
    let verdict: Verdict
    /// What was found.
    let text: String
    /// What it is needed for, and how to get it; nil where it works.
    var remedy: String?
}
