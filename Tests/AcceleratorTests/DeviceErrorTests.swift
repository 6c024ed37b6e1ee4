import Accelerator
import Testing

/// Errors name the value, the limit and the remedy.
@Suite("Device: errors")
struct DeviceErrorTests {
    private static let samples: [(error: DeviceError, words: [String])] = [
        (.unknownHandle(kind: .stream, id: 7), ["stream 7"]),
        (.foreignBuffer(label: "rows", address: 0xAB00), ["rows", "0xab00"]),
        (.foreignHostMemory(bytes: 64), ["64 bytes"]),
        (.bufferRange(label: "rows", offset: 60, bytes: 8, size: 64), ["8 bytes", "offset 60", "rows", "at most 64"]),
        (.allocation(label: "rows", bytes: -1), ["rows", "-1 bytes", "at least 1"]),
        (.notDeviceMemory(label: "x", address: 0x10, bytes: 32), ["32 bytes of x", "0x10"]),
        (.hostAlignment(label: "x", address: 0x18), ["x", "0x18", "16"]),
        (.adoptedInPart(label: "x", address: 0x20, bytes: 8), ["8 bytes of x", "0x20"]),
        (.notShareable(label: "x", address: 0x20), ["x", "0x20", "allocateShareable"]),
        (.sharedSize(label: "x", bytes: 100, available: 50), ["x", "100", "50"]),
        (.keptBytes(-5), ["-5", "at least 0"]),
        (.sharedMemory(kernel: "gemm", bytes: 300, limit: 200), ["gemm", "300", "at most 200"]),
        (.noNetworkAdapter(kernel: "send", device: "H200"), ["send", "H200", "loopback"]),
        (.argumentCount(kernel: "gemm", parameters: ["a", "b"], given: 3), ["gemm", "2 parameters (a, b)", "3"]),
        (
            .argumentKind(kernel: "gemm", parameter: "a", expected: "a uint32", given: "the int32 3"),
            ["gemm", "parameter a", "pass a uint32", "the int32 3"]
        ),
        (.tensorMapElement(kernel: "gemm", parameter: "map", .bool), ["gemm", "map", "bool"]),
        (.blockCount(kernel: "gemm", blocks: 0), ["gemm", "0 blocks", "1 to 2147483647"]),
        (.clusterSize(kernel: "gemm", blocks: 3, clusterSize: 2), ["gemm", "3", "multiple of 2"]),
        (.capture(.operation("read memory")), ["read memory"]),
        (.capture(.nested), ["captured already"]),
        (.capture(.outsideEvent(event: 4)), ["event 4"]),
        (.capture(.notJoined(stream: 5)), ["stream 5"]),
        (.capture(.legacyStream), ["legacy default stream"]),
        (.capture(.otherCapture(stream: 6)), ["stream 6"]),
        (.eventNotRecorded(id: 8), ["event 8"]),
        (.eventNotComplete(id: 9), ["event 9"]),
    ]

    @Test("Texts name their values, and say what to do behind a semicolon")
    func texts() {
        for (error, words) in Self.samples {
            let text = "\(error)"
            for word in words { #expect(text.contains(word), "\(text)") }
            let halves = text.split(separator: ";", maxSplits: 1)
            #expect(halves.count == 2 && halves[1].count > 10, "no remedy: \(text)")
        }
    }
}
