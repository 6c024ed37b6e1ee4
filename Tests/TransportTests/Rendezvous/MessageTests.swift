import Testing
import Transport

/// The form of messages on the wire.
@Suite struct MessageTests {
    private let messages = [
        Message(kind: .hello, number: 7, name: "secret", body: [1, 2, 3]), Message(kind: .welcome),
        Message(kind: .result, number: 1 << 20, name: "", body: [UInt8](repeating: 9, count: 70_000)),
    ]

    @Test func messagesComeOutAsTheyWentIn() throws {
        let bytes = messages.flatMap(\.encoded)
        var place = 0
        for message in messages {
            let (found, next) = try #require(try Message.decode(bytes, from: place, limit: Message.limit))
            #expect(found == message)
            place = next
        }
        #expect(place == bytes.count)
    }

    /// A message that is cut anywhere is not complete, and nothing worse.
    @Test func partsAreIncomplete() throws {
        let bytes = messages[0].encoded
        for count in bytes.indices {
            #expect(try Message.decode(Array(bytes[..<count]), from: 0, limit: Message.limit) == nil)
        }
    }

    @Test func nonsenseIsRefused() {
        var wrongKind = messages[0].encoded
        wrongKind[8] = 200
        var longName = messages[0].encoded
        longName[13] = 255
        let tooLong = Message(kind: .hello, body: [UInt8](repeating: 0, count: 5_000)).encoded
        for bytes in [
            wrongKind, longName, tooLong, [UInt8](repeating: 0xFF, count: 64), [UInt8](repeating: 0, count: 64),
        ] {
            #expect(throws: Message.Malformed.self) {
                try Message.decode(bytes, from: 0, limit: Message.strangersLimit)
            }
        }
    }

    @Test func partsOfAResult() {
        for parts: [[UInt8]?] in [[], [[]], [nil], [[1], nil, [], [2, 3]]] {
            #expect(Message.parts(Message.joined(parts)) == parts)
        }
        #expect(Message.parts([1, 2, 3]) == nil)
        #expect(Message.parts([9, 0, 0, 0, 0, 0, 0, 0, 1]) == nil)
    }
}
