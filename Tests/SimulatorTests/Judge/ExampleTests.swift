import KernelLanguage
import Simulator
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The example of `docs/exploration.md`, as it stands there.
@Suite struct ExampleTests {
    // Example
    @Test func valueIsThereWhenItsFlagIs() throws {
        let send = try KernelBuilder.build("send", threads: 32) { k in
            let words = k.pointerParameter("words", to: UInt32.self)
            k.if(k.isFirstThread) {
                k.store(k.constant(42), to: words)
                k.atomicAdd(words + 1, 1, order: .release(.system))
            }
        }
        let receive = try KernelBuilder.build("receive", threads: 32) { k in
            let words = k.pointerParameter("words", to: UInt32.self)
            k.if(k.isFirstThread) {
                k.loop { k.breakIf(k.load(words + 1, order: .acquire(.system)) == 1) }
                k.store(k.load(words), to: words + 2)
            }
        }
        let report = Exploration(schedules: 100).run { machine in
            let words = try machine.allocate([UInt32](repeating: 0, count: 3), label: "words")
            for (rank, kernel) in [send, receive].enumerated() {
                let stream = machine.makeStream(label: "rank \(rank)", rank: rank)
                try machine.enqueueLaunch(Program(kernel), grid: 1, arguments: [.address(words)], on: stream)
            }
            try machine.synchronizeAll()
            return try machine.read(UInt32.self, count: 3, from: words)[2]
        }
        #expect(report.failure == nil, "\(report)")
        #expect(Array(report.outcomes.keys) == [42])
    }
    // End of the example

    /// The page shows this file's example.
    @Test func pageShowsTheExample() throws {
        let source = URL(filePath: #filePath)
        let text = try String(contentsOf: source, encoding: .utf8)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let begin = try #require(lines.firstIndex { $0 == "    // Example" })
        let end = try #require(lines.firstIndex { $0 == "    // End of the example" })
        let example = lines[(begin + 1)..<end].map { $0.dropFirst(4) }.joined(separator: "\n")
        let package = (0..<4).reduce(source) { url, _ in url.deletingLastPathComponent() }
        let page = try String(contentsOf: package.appending(path: "docs/exploration.md"), encoding: .utf8)
        #expect(page.contains("```swift\n\(example)\n```"))
    }
}
