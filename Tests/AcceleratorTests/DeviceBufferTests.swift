import Accelerator
import Testing

@Suite("Device: buffers")
struct DeviceBufferTests {
    @Test("Only bytes inside a buffer are reached", arguments: DeviceCase.all())
    func ranges(_ test: DeviceCase) throws {
        let device = test.device
        let stream = try device.makeStream(label: "main")
        let buffer = try device.makeBuffer([UInt8](0..<100), label: "hundred")
        let other = try device.makeBuffer([UInt8](repeating: 0, count: 200), label: "other")
        #expect(buffer.address % 256 == 0 && other.address % 256 == 0)
        for (offset, bytes) in [(0, 101), (100, 1), (-1, 1), (Int.max, 1), (1, 100), (Int.min, 5)] {
            let error = DeviceError.bufferRange(label: "hundred", offset: offset, bytes: bytes, size: 100)
            let source = [UInt8](repeating: 1, count: bytes)
            #expect(throws: error) { try device.write(source, to: buffer, offset: offset) }
            #expect(throws: error) { _ = try device.read(UInt8.self, count: bytes, from: buffer, offset: offset) }
            #expect(throws: error) {
                try device.copy(from: buffer, offset: offset, to: other, offset: 0, bytes: bytes, on: stream)
            }
            #expect(throws: error) {
                try device.copy(from: other, offset: 0, to: buffer, offset: offset, bytes: bytes, on: stream)
            }
        }
        #expect(throws: DeviceError.bufferRange(label: "hundred", offset: 0, bytes: -1, size: 100)) {
            try device.copy(from: buffer, offset: 0, to: other, offset: 0, bytes: -1, on: stream)
        }
        try device.synchronize()
        #expect(try device.read(UInt8.self, count: 100, from: buffer) == [UInt8](0..<100))
        try device.write([7, 8] as [UInt8], to: buffer, offset: 98)
        #expect(try device.read(UInt8.self, count: 3, from: buffer, offset: 97) == [97, 7, 8])
        try device.write([UInt8](), to: buffer, offset: 100)
    }

    @Test("Fills and copies follow the order of their stream", arguments: DeviceCase.all())
    func order(_ test: DeviceCase) throws {
        let device = test.device
        let stream = try device.makeStream(label: "main")
        let first = try device.allocate(bytes: 64, label: "first")
        let second = try device.allocate(bytes: 64, label: "second")
        try device.fill(first, with: 1, on: stream)
        try device.copy(from: first, offset: 0, to: second, offset: 0, bytes: 64, on: stream)
        try device.fill(first, with: 2, on: stream)
        try device.copy(from: first, offset: 8, to: second, offset: 4, bytes: 3, on: stream)
        try device.synchronize(stream)
        var wanted = [UInt8](repeating: 1, count: 64)
        wanted.replaceSubrange(4..<7, with: [2, 2, 2])
        #expect(try device.read(UInt8.self, count: 64, from: second) == wanted)
        #expect(try device.read(UInt8.self, count: 64, from: first) == [UInt8](repeating: 2, count: 64))
    }

    @Test("A buffer may go while its last use is under way", arguments: DeviceCase.all())
    func release(_ test: DeviceCase) throws {
        let device = test.device
        let stream = try device.makeStream(label: "main")
        let kept = try device.allocate(bytes: 256, label: "kept")
        do {
            let short = try device.makeBuffer([UInt8](repeating: 5, count: 256), label: "short")
            try device.copy(from: short, offset: 0, to: kept, offset: 0, bytes: 256, on: stream)
        }
        try device.synchronize(stream)
        #expect(try device.read(UInt8.self, count: 256, from: kept) == [UInt8](repeating: 5, count: 256))
    }

    @Test("Empty buffers and buffers of nobody are refused", arguments: DeviceCase.all())
    func refused(_ test: DeviceCase) throws {
        for bytes in [0, -1, Int.min] {
            #expect(throws: DeviceError.allocation(label: "none", bytes: bytes)) {
                try test.device.allocate(bytes: bytes, label: "none")
            }
        }
        #expect(throws: DeviceError.self) { try test.device.allocate(bytes: .max, label: "all") }
        let other = SimulatedDevice(seed: 1, multiprocessors: 1)
        let buffers = try (0..<64).map { try other.allocate(bytes: 1 << 20, label: "foreign \($0)") }
        let last = try #require(buffers.last)
        #expect(throws: DeviceError.foreignBuffer(label: last.label, address: last.address)) {
            try test.device.write([1] as [UInt8], to: last)
        }
    }
}
