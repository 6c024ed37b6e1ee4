/// The result of one check: whether something works here, and what to do where it does not.
struct Finding: Encodable, Equatable {
    /// The results of a check.
    enum Verdict: String, Encodable {
        case works
        /// It is not installed, and something cannot be done without it.
        case missing
        /// It is installed and does not work.
        case unusable
    }

    /// The name of the part that was checked.
    let name: String
    let verdict: Verdict
    /// The finding, as text.
    let text: String
    /// The use of it, and how to get it; nil where it works.
    var remedy: String?
}
