/// A message between a process and the server of a rendezvous: a kind, a number, a name and a body.
///
/// On the wire: UInt64 bytes that follow, UInt8 kind, UInt32 number, UInt32 bytes of the name, the name in UTF-8, the
/// body. The least significant byte comes first.
package struct Message: Hashable, Sendable {
    /// The kinds of messages.
    package enum Kind: UInt8, Sendable {
        /// From a process: its number, the group's secret as name, and `Greeting` as body.
        case hello = 1
        /// To a process: it is admitted.
        case welcome
        /// To a process: it is refused, for the reason in the name.
        case refusal
        /// From a process: its contribution to the collective of this name. The number is 0, or one more than that of
        /// the process that the collective readmits.
        case contribution
        /// To a process: the contributions of all, `Message.joined`.
        case result
        /// From a process: who is missing in the collective of this name? To it: those numbers, separated by commas, as
        /// body.
        case missing
        /// To a process: the process of this number has gone, for the reason in the name. From one: it is to be given
        /// up.
        case lost
        /// From a process: it ends with an error, `ProcessFailure` as body.
        case failure
        /// From a process: it ends without an error.
        case goodbye
    }

    /// The kind.
    package var kind: Kind
    /// The number of a process.
    package var number: Int
    /// A name or a text, see `Kind`.
    package var name: String
    /// The payload.
    package var body: [UInt8]

    /// A message as given.
    package init(kind: Kind, number: Int = 0, name: String = "", body: [UInt8] = []) {
        self.kind = kind
        self.number = number
        self.name = name
        self.body = body
    }

    /// The largest message of a client that has not introduced itself, in bytes.
    package static let strangersLimit = 4096
    /// The largest message, in bytes.
    package static let limit = 1 << 36
    private static let headerBytes = 17

    /// The bytes on the wire.
    package var encoded: [UInt8] {
        let name = Array(name.utf8)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.headerBytes + name.count + body.count)
        bytes.append(UInt64(Self.headerBytes - 8 + name.count + body.count))
        bytes.append(kind.rawValue)
        bytes.append(UInt32(truncatingIfNeeded: number))
        bytes.append(UInt32(name.count))
        return bytes + name + body
    }

    /// Decodes the message that begins at `start`, if all of it is there.
    ///
    /// - Returns: The message and where the next one starts; nil for an incomplete one.
    /// - Throws: `Malformed` for bytes that no process of a group sends.
    package static func decode(_ bytes: [UInt8], from start: Int, limit: Int) throws(Malformed) -> (Message, next: Int)?
    {
        guard bytes.count - start >= 8 else { return nil }
        let length = bytes.number(UInt64.self, at: start)
        guard length >= UInt64(headerBytes - 8), length <= UInt64(limit) else { throw Malformed() }
        let next = start + 8 + Int(length)
        guard bytes.count >= next else { return nil }
        guard let kind = Kind(rawValue: bytes[start + 8]) else { throw Malformed() }
        let nameBytes = Int(bytes.number(UInt32.self, at: start + 13))
        let nameStart = start + headerBytes
        guard nameBytes <= next - nameStart else { throw Malformed() }
        return (
            Message(
                kind: kind, number: Int(bytes.number(UInt32.self, at: start + 9)),
                name: String(decoding: bytes[nameStart..<nameStart + nameBytes], as: UTF8.self),
                body: Array(bytes[(nameStart + nameBytes)..<next])), next
        )
    }

    /// Bytes that are no message.
    package struct Malformed: Error {}

    /// The body of a result: the contribution of each process, none for those that are lost.
    package static func joined(_ parts: [[UInt8]?]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(parts.reduce(0) { $0 + 8 + ($1?.count ?? 0) })
        for part in parts {
            bytes.append(part.map { UInt64($0.count) } ?? .max)
            if let part { bytes += part }
        }
        return bytes
    }

    /// Splits the bytes of `joined`; nil for other bytes.
    package static func parts(_ bytes: [UInt8]) -> [[UInt8]?]? {
        var (parts, place): ([[UInt8]?], Int) = ([], 0)
        while place < bytes.count {
            guard bytes.count - place >= 8 else { return nil }
            let count = bytes.number(UInt64.self, at: place)
            place += 8
            if count == .max {
                parts.append(nil)
                continue
            }
            guard count <= UInt64(bytes.count - place) else { return nil }
            parts.append(Array(bytes[place..<place + Int(count)]))
            place += Int(count)
        }
        return parts
    }
}

extension [UInt8] {
    /// Appends a number, the least significant byte first.
    mutating func append(_ number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
    }

    /// The number whose bytes begin at `index`.
    func number<Number: FixedWidthInteger>(_ type: Number.Type, at index: Int) -> Number {
        withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(fromByteOffset: index, as: Number.self)) }
    }
}
