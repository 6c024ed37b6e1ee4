import Accelerator
import KernelLanguage
import Testing

@Suite("Device: events")
struct DeviceEventTests {
    @Test("Work that waits for an event runs after it", arguments: DeviceCase.all())
    func order(_ test: DeviceCase) throws {
        let device = test.device
        let first = try device.makeStream(label: "first")
        let second = try device.makeStream(label: "second")
        let event = try device.makeEvent()
        let data = try device.makeBuffer((0..<512).map { UInt32($0) }, label: "data")
        let copy = try device.makeBuffer([UInt32](repeating: 0, count: 512), label: "copy")
        let kernel = try device.load(DeviceKernels.affine())
        // Waiting for an event that was never recorded is no wait.
        try device.wait(for: event, on: second)
        var wanted = (0..<512).map { UInt32($0) }
        for round in 0..<4 {
            for _ in 0..<3 {
                try device.launch(
                    kernel, blocks: 8, arguments: [.address(data.address), .uint32(5), .uint32(1)],
                    dependentLaunch: false, on: first)
                wanted = wanted.map { $0 &* 5 &+ 1 }
            }
            try device.record(event, on: first)
            try device.wait(for: event, on: second)
            try device.copy(from: data, offset: 0, to: copy, offset: 0, bytes: 2048, on: second)
            try device.record(event, on: second)
            try device.wait(for: event, on: first)
            try device.synchronize(second)
            #expect(try device.read(UInt32.self, count: 512, from: copy) == wanted, "round \(round)")
        }
        try device.synchronize()
    }

    @Test("Times are known once events have completed", arguments: DeviceCase.all())
    func times(_ test: DeviceCase) throws {
        let device = test.device
        let stream = try device.makeStream(label: "main")
        let start = try device.makeEvent()
        let end = try device.makeEvent()
        #expect(throws: DeviceError.eventNotRecorded(id: start.id)) { try device.nanoseconds(from: start, to: end) }
        let data = try device.makeBuffer([UInt32](repeating: 1, count: 64), label: "data")
        let kernel = try device.load(DeviceKernels.affine())
        try device.record(start, on: stream)
        for _ in 0..<20 {
            try device.launch(
                kernel, blocks: 1, arguments: [.address(data.address), .uint32(1), .uint32(1)],
                dependentLaunch: false, on: stream)
        }
        try device.record(end, on: stream)
        if device.properties.kind == .simulator {
            #expect(throws: DeviceError.eventNotComplete(id: start.id)) {
                try device.nanoseconds(from: start, to: end)
            }
        }
        try device.synchronize(stream)
        #expect(try device.nanoseconds(from: start, to: end) > 0)
        #expect(try device.nanoseconds(from: end, to: start) < 0)
        #expect(try device.read(UInt32.self, count: 64, from: data) == [UInt32](repeating: 21, count: 64))
    }
}
