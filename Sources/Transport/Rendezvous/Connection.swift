/// One end of a connection that carries messages; reads and writes do not block.
final class Connection {
    let socket: Socket
    private var input: [UInt8] = []
    private var output: [UInt8] = []
    /// Bytes of `output` that are written.
    private var written = 0
    /// The most bytes of a message from the other end.
    var limit: Int
    /// Whether the other end has closed, or sent bytes that are no message.
    private(set) var hasEnded = false

    init(_ socket: Socket, limit: Int = Message.limit) {
        self.socket = socket
        self.limit = limit
    }

    /// Whether something is to be written.
    var wantsToWrite: Bool { written < output.count }

    /// Sends a message, now or when there is room.
    func send(_ message: Message) {
        output += message.encoded
        write()
    }

    /// Writes as much as the socket takes.
    func write() {
        while wantsToWrite, !hasEnded {
            switch output.withUnsafeBytes({ socket.write(UnsafeRawBufferPointer(rebasing: $0[written...])) }) {
            case .bytes(let count): written += count
            case .later: return
            case .ended: hasEnded = true
            }
        }
        if !wantsToWrite { (output, written) = ([], 0) }
    }

    /// Treats the connection as closed.
    func end() { hasEnded = true }

    /// Reads the bytes that have arrived; returns the complete messages.
    func read() -> [Message] {
        var room = [UInt8](repeating: 0, count: 1 << 16)
        reading: while !hasEnded {
            switch room.withUnsafeMutableBytes({ socket.read(into: $0) }) {
            case .bytes(let count):
                input += room[..<count]
                // An unknown client must not fill the memory.
                if input.count > limit + 8 { break reading }
            case .later: break reading
            case .ended: hasEnded = true
            }
        }
        var messages: [Message] = []
        var place = 0
        do throws(Message.Malformed) {
            while let (message, next) = try Message.decode(input, from: place, limit: limit) {
                messages.append(message)
                place = next
            }
        } catch {
            hasEnded = true
        }
        if place > 0 { input.removeFirst(place) }
        return messages
    }
}
