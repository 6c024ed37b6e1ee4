import ExpertParallel
import Testing

@Suite("Safetensors files")
struct SafetensorsFileTests {
    private let directory: TemporaryDirectory
    private let path: String

    init() throws {
        directory = try TemporaryDirectory()
        path = directory.path + "/file"
    }

    /// Writes a file with this header and so many bytes of data, and returns what reading it throws.
    private func error(header: String, data: Int) throws -> CheckpointError? {
        let length = UInt64(header.utf8.count)
        let prefix = (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * UInt64($0))) }
        return try error(bytes: prefix + Array(header.utf8) + [UInt8](repeating: 0, count: data))
    }

    private func error(bytes: [UInt8]) throws -> CheckpointError? {
        try directory.write(bytes, to: "file")
        do throws(CheckpointError) {
            _ = try SafetensorsFile(path: path)
            return nil
        } catch {
            return error
        }
    }

    private func entry(_ name: String, _ type: String, _ shape: String, _ begin: Int, _ end: Int) -> String {
        #""\#(name)":{"dtype":"\#(type)","shape":[\#(shape)],"data_offsets":[\#(begin),\#(end)]}"#
    }

    @Test("Reads names, types, shapes and bytes")
    func reads() throws {
        let header =
            #"{"__metadata__":{"format":"pt"},"# + entry("b", "U8", "3", 8, 11) + ","
            + entry("a", "F32", "1,2", 0, 8) + "," + entry("c", "I64", "0,5", 11, 11) + "  }"
        #expect(try error(header: header, data: 11) == nil)
        let file = try SafetensorsFile(path: path)
        #expect(file.tensors.keys.sorted() == ["a", "b", "c"])
        let a = try #require(file.tensors["a"])
        #expect(a.type == .float32 && a.shape == [1, 2] && a.range.count == 8)
        let b = try #require(file.tensors["b"])
        #expect(b.range.upperBound == 8 + header.utf8.count + 11)
        #expect(file.withBytes(of: b) { $0.count } == 3)
        #expect(try error(header: "{}", data: 0) == nil)
    }

    @Test("Rejects files that are short, and headers that are long or no JSON")
    func rejectsHeaders() throws {
        #expect(try error(bytes: []) == .fileTooShort(file: path, bytes: 0))
        #expect(try error(bytes: [1, 2, 3]) == .fileTooShort(file: path, bytes: 3))
        #expect(
            try error(bytes: [255, 255, 255, 255, 255, 255, 255, 255])
                == .headerTooLong(file: path, length: .max, limit: 100_000_000))
        #expect(
            try error(bytes: [1, 225, 245, 5, 0, 0, 0, 0, 123])
                == .headerTooLong(file: path, length: 100_000_001, limit: 100_000_000))
        #expect(
            try error(bytes: [3, 0, 0, 0, 0, 0, 0, 0, 123, 125])
                == .headerTruncated(file: path, length: 3, available: 2))
        for header in [
            "", "[]", "{", "x", #"{"a":1}"#, #"{"a":{"dtype":"F32"}}"#, "\u{0}", #"{"__metadata__":3}"#,
            #"{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}}"#,
            #"{"a":{"dtype":"F32","shape":[0.5],"data_offsets":[0,4]}}"#,
            #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},}"#,
            #"{"a":{"dtype":"F32","shape":[1,],"data_offsets":[0,4]}}"#,
            #"{"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}"#,
            #"{"a":{"dtype":"F32","shape":[1],"sh\u0061pe":[1],"data_offsets":[0,4]}}"#,
            #"{"a":{"dtype":4,"shape":[1],"data_offsets":[0,4]}}"#, #"{"a":{"shape":[1],"data_offsets":[0,4]}}"#,
            #"{"__metadata__":{"a":1}}"#,
        ] {
            let error = try error(header: header, data: 4)
            guard case .headerMalformed(path, _) = error else {
                Issue.record("\(header): \(String(describing: error))")
                continue
            }
        }
        do throws(CheckpointError) {
            _ = try SafetensorsFile(path: path + "-absent")
            Issue.record("an absent file was opened")
        } catch {
            guard case .fileUnreadable = error else { throw error }
        }
        #expect(throws: CheckpointError.self) { try SafetensorsFile(path: directory.path) }
    }

    @Test("Rejects tensors whose description does not fit the file")
    func rejectsTensors() throws {
        func error(_ entries: String..., data: Int) throws -> CheckpointError? {
            try self.error(header: "{" + entries.joined(separator: ",") + "}", data: data)
        }
        #expect(
            try error(entry("a", "F5", "1", 0, 4), data: 4) == .typeUnknown(file: path, tensor: "a", type: "F5"))
        #expect(
            try error(entry("a", "F32", "-1", 0, 4), data: 4) == .shapeInvalid(file: path, tensor: "a", shape: [-1]))
        #expect(
            try error(entry("a", "F32", "4611686018427387904", 0, 4), data: 4)
                == .sizeOverflow(file: path, tensor: "a", shape: [4_611_686_018_427_387_904]))
        #expect(
            try error(entry("a", "U8", "4294967296,4294967296,4294967296", 0, 4), data: 4)
                == .sizeOverflow(file: path, tensor: "a", shape: [1 << 32, 1 << 32, 1 << 32]))
        #expect(
            try error(entry("a", "F32", "1", 4, 0), data: 4)
                == .offsetsInvalid(file: path, tensor: "a", offsets: [4, 0]))
        #expect(
            try error(entry("a", "F32", "1", -4, 0), data: 4)
                == .offsetsInvalid(file: path, tensor: "a", offsets: [-4, 0]))
        #expect(
            try error(#""a":{"dtype":"F32","shape":[1],"data_offsets":[0]}"#, data: 4)
                == .offsetsInvalid(file: path, tensor: "a", offsets: [0]))
        #expect(
            try error(entry("a", "F32", "2", 0, 8), data: 7)
                == .tensorOutsideFile(file: path, tensor: "a", end: 8, available: 7))
        #expect(
            try error(entry("a", "F32", "2", 9_223_372_036_854_775_800, 9_223_372_036_854_775_807), data: 8)
                == .tensorOutsideFile(file: path, tensor: "a", end: .max, available: 8))
        #expect(
            try error(entry("a", "F32", "2", 0, 4), data: 4)
                == .sizeMismatch(file: path, tensor: "a", expected: 8, found: 4))
        #expect(
            try error(entry("a", "U8", "4", 0, 4), entry("b", "U8", "4", 3, 7), data: 7)
                == .tensorsOverlap(file: path, tensor: "b", other: "a"))
        #expect(
            try error(entry("a", "U8", "4", 0, 4), entry("b", "U8", "4", 0, 4), data: 4)
                == .tensorsOverlap(file: path, tensor: "b", other: "a"))
        #expect(
            try error(entry("a", "U8", "4", 0, 4), entry("b", "U8", "2", 6, 8), data: 8)
                == .bytesUnowned(file: path, tensor: "b", offset: 4, bytes: 2))
        #expect(
            try error(entry("a", "U8", "4", 0, 4), data: 5)
                == .bytesUnowned(file: path, tensor: nil, offset: 4, bytes: 1))
        #expect(
            try error(entry("a", "U8", "4", 0, 4), entry("a", "U8", "4", 0, 4), data: 4)
                == .tensorDuplicated(file: path, tensor: "a", other: path))
        #expect(
            try error(entry("a", "U8", "4", 0, 4), entry(#"\u0061"#, "U8", "4", 0, 4), data: 4)
                == .tensorDuplicated(file: path, tensor: "a", other: path))
    }

    @Test("Any truncation of a good file is rejected")
    func truncation() throws {
        let header = "{" + entry("a", "U8", "9", 0, 9) + "}"
        #expect(try error(header: header, data: 9) == nil)
        let bytes = try directory.read("file")
        for count in 0..<bytes.count {
            #expect(try error(bytes: Array(bytes.prefix(count))) != nil, "\(count) bytes")
        }
    }
}
