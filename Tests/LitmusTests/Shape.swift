import Litmus

/// A litmus test made of columns.
struct Shape: CustomStringConvertible {
    /// Where the threads are.
    enum Place: String, CaseIterable {
        case block, gpu, system

        func head(_ thread: Int) -> String {
            switch self {
            case .block: "P\(thread)@cta 0,gpu 0"
            case .gpu: "P\(thread)@cta \(thread),gpu 0"
            case .system: "P\(thread)@cta \(thread),gpu \(thread)"
            }
        }

        /// The narrowest scope that holds all.
        var scope: String {
            switch self {
            case .block: "cta"
            case .gpu: "gpu"
            case .system: "sys"
            }
        }
    }

    var declarations = ""
    var heads: [String]
    var columns: [[String]]
    var question: String

    init(_ place: Place, _ columns: [[String]], _ question: String, declarations: String = "") {
        heads = columns.indices.map { place.head($0) }
        self.columns = columns
        self.question = question
        self.declarations = declarations
    }

    var description: String {
        var lines = ["PTX shape", "{ \(declarations) }", heads.joined(separator: " | ") + " ;"]
        for row in 0..<(columns.map(\.count).max() ?? 0) {
            lines.append(columns.map { row < $0.count ? $0[row] : "" }.joined(separator: " | ") + " ;")
        }
        return (lines + [question]).joined(separator: "\n")
    }

    var test: LitmusTest { get throws { try LitmusReader.read(description) } }

    /// Whether the model allows what an `exists` asks about.
    var isAllowed: Bool { get throws { try Enumeration(test).isReachable } }
}
