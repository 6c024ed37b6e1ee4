import ExpertParallel
import KernelLanguage

/// A timeline in a file: a picture where its name ends in `.svg`, else Chrome's trace JSON, which Perfetto opens too.
struct TimelineFile {
    let file: OutputFile
    /// The title of the picture.
    let title: String

    /// Writes the timeline. Throws `TimelineError` and `OutputError`.
    func write(_ timeline: Timeline) throws {
        guard timeline.ranks.contains(where: { !$0.isEmpty }) else { throw TimelineError.empty }
        let text: String
        if file.path.hasSuffix(".svg") {
            text = TimelinePicture(timeline, title: title).svg
        } else {
            do { text = try ChromeTrace(timeline).json } catch { throw TimelineError.encoding("\(error)") }
        }
        try file.write(text)
    }
}

/// Why there is no timeline.
enum TimelineError: Error, CustomStringConvertible {
    case empty
    case encoding(String)

    /// One sentence.
    var description: String {
        switch self {
        case .empty: "the step left no events for a timeline; please report this"
        case .encoding(let problem): "the timeline cannot be written as JSON: \(problem)"
        }
    }
}
