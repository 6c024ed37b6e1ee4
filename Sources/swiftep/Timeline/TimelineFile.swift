import ExpertParallel
import KernelLanguage

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A timeline in a file: a picture where its name ends in `.svg`, else Chrome's trace JSON, which Perfetto opens too.
struct TimelineFile {
    let path: String
    /// What the timeline shows, for people.
    let title: String

    /// Writes it. Throws `TimelineError`.
    func write(_ timeline: Timeline) throws(TimelineError) {
        guard timeline.ranks.contains(where: { !$0.isEmpty }) else { throw .empty }
        let text: String
        if path.hasSuffix(".svg") {
            text = TimelinePicture(timeline, title: title).svg
        } else {
            do { text = try ChromeTrace(timeline).json } catch { throw .encoding("\(error)") }
        }
        guard FileManager.default.createFile(atPath: path, contents: Data(text.utf8)) else { throw .notWritable(path) }
    }
}

/// Why there is no timeline.
enum TimelineError: Error, CustomStringConvertible {
    case empty
    case encoding(String)
    case notWritable(String)

    /// One sentence.
    var description: String {
        switch self {
        case .empty: "the step left no events for a timeline; please report this"
        case .encoding(let problem): "the timeline cannot be written as JSON: \(problem)"
        case .notWritable(let path): "cannot write the timeline to \(path); choose a file in a directory that exists"
        }
    }
}
