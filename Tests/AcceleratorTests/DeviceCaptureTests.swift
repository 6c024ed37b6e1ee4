import Accelerator
import KernelLanguage
import Testing

@Suite("Device: capture and replay")
struct DeviceCaptureTests {
    /// Work on two streams: `a = 2a + 1`, then on a fork `b = 3a + 5` while `c = a`, then `a = a + b + c`.
    private struct Work {
        let device: any Device
        let main, side: DeviceStream
        let fork, join: DeviceEvent
        let a, b, c: DeviceBuffer
        let affine, add: LoadedKernel
        static let count = 256

        init(_ device: any Device) throws {
            self.device = device
            main = try device.makeStream(label: "main")
            side = try device.makeStream(label: "side")
            fork = try device.makeEvent()
            join = try device.makeEvent()
            let zeros = [UInt32](repeating: 0, count: Self.count)
            a = try device.makeBuffer((0..<Self.count).map { UInt32($0) }, label: "a")
            b = try device.makeBuffer(zeros, label: "b")
            c = try device.makeBuffer(zeros, label: "c")
            affine = try device.load(DeviceKernels.affine())
            add = try device.load(DeviceKernels.add())
        }

        private func affine(_ buffer: DeviceBuffer, _ factor: UInt32, _ addend: UInt32, on stream: DeviceStream) throws
        {
            try device.launch(
                affine, blocks: 4, arguments: [.address(buffer.address), .uint32(factor), .uint32(addend)],
                dependentLaunch: false, on: stream)
        }

        private func add(_ other: DeviceBuffer) throws {
            try device.launch(
                add, blocks: 4, arguments: [.address(a.address), .address(other.address)], dependentLaunch: false,
                on: main)
        }

        func enqueue() throws {
            try affine(a, 2, 1, on: main)
            try device.record(fork, on: main)
            try device.wait(for: fork, on: side)
            try device.copy(from: a, offset: 0, to: b, offset: 0, bytes: a.bytes, on: side)
            try affine(b, 3, 5, on: side)
            try device.record(join, on: side)
            try device.copy(from: a, offset: 0, to: c, offset: 0, bytes: a.bytes, on: main)
            try device.wait(for: join, on: main)
            try add(b)
            try add(c)
        }

        func result() throws -> [UInt32] { try device.read(UInt32.self, count: Self.count, from: a) }

        static func expected(rounds: Int) -> [UInt32] {
            (0..<count).map { index in
                (0..<rounds).reduce(UInt32(index)) { a, _ in
                    let changed = 2 &* a &+ 1
                    return changed &+ (3 &* changed &+ 5) &+ changed
                }
            }
        }
    }

    @Test("Replays give what direct runs give", arguments: DeviceCase.all())
    func replays(_ test: DeviceCase) throws {
        let direct = try Work(test.device)
        for _ in 0..<4 { try direct.enqueue() }
        try test.device.synchronize(direct.main)
        #expect(try direct.result() == Work.expected(rounds: 4))

        let captured = try Work(test.device)
        let graph = try test.device.capture(on: captured.main) { try captured.enqueue() }
        try test.device.synchronize()
        #expect(try captured.result() == Work.expected(rounds: 0), "a capture must not run anything")
        // On the captured stream, and on others: replays of one graph follow one another.
        let other = try test.device.makeStream(label: "other")
        try test.device.replay(graph, on: captured.main)
        try test.device.replay(graph, on: other)
        try test.device.replay(graph, on: captured.side)
        try test.device.replay(graph, on: captured.main)
        try test.device.synchronize(captured.main)
        #expect(try captured.result() == Work.expected(rounds: 4))
        // The streams work on after the capture, in order with the replay.
        try test.device.replay(graph, on: captured.main)
        try captured.enqueue()
        try test.device.synchronize()
        #expect(try captured.result() == Work.expected(rounds: 6))
    }

    @Test("A graph keeps its dependent launches", arguments: DeviceCase.all())
    func dependentLaunches(_ test: DeviceCase) throws {
        let device = test.device
        let stream = try device.makeStream(label: "main")
        let data = try device.makeBuffer([UInt32](repeating: 1, count: 256), label: "data")
        let kernel = try device.load(
            KernelBuilder.build("dependent", threads: DeviceKernels.threads) { k in
                let data = k.pointerParameter("data", to: UInt32.self)
                let place = data + (k.blockIndex * DeviceKernels.threads + k.threadIndex)
                k.waitForPrerequisites()
                k.store(k.load(place) * 3 + 1, to: place)
                k.launchDependents()
            })
        let graph = try device.capture(on: stream) {
            for _ in 0..<5 {
                try device.launch(
                    kernel, blocks: 4, arguments: [.address(data.address)], dependentLaunch: true, on: stream)
            }
        }
        for _ in 0..<2 { try device.replay(graph, on: stream) }
        try device.synchronize(stream)
        let wanted = (0..<10).reduce(UInt32(1)) { value, _ in value &* 3 &+ 1 }
        #expect(try device.read(UInt32.self, count: 256, from: data) == [UInt32](repeating: wanted, count: 256))
    }

    private func expect(_ misuse: DeviceError.CaptureMisuse, from body: () throws -> Void) throws {
        do {
            try body()
            Issue.record("nothing was thrown where this was expected: \(misuse)")
        } catch DeviceError.capture(let found) {
            #expect(found == misuse)
        }
    }

    @Test("What cannot be recorded is refused, and the stream works on", arguments: DeviceCase.all())
    func refusals(_ test: DeviceCase) throws {
        let device = test.device
        let stream = try device.makeStream(label: "main")
        let event = try device.makeEvent()
        let buffer = try device.makeBuffer([UInt8](repeating: 3, count: 16), label: "buffer")
        let fresh = try KernelBuilder.build("fresh", threads: 32) { $0.exit() }
        let empty = try device.capture(on: stream) {}
        let refused: [(DeviceError.CaptureMisuse, () throws -> Void)] = [
            (.operation("wait for the stream \(stream.id)"), { try device.synchronize(stream) }),
            (.operation("wait for the device"), { try device.synchronize() }),
            (.operation("allocate the buffer more"), { _ = try device.allocate(bytes: 16, label: "more") }),
            (.operation("write to the buffer buffer"), { try device.write([1] as [UInt8], to: buffer) }),
            (.operation("read the buffer buffer"), { _ = try device.read(UInt8.self, count: 1, from: buffer) }),
            (.operation("load the kernel fresh"), { _ = try device.load(fresh) }),
            (.operation("replay the graph \(empty.id)"), { try device.replay(empty, on: stream) }),
            (.nested, { _ = try device.capture(on: stream) {} }),
        ]
        let graph = try device.capture(on: stream) {
            for (misuse, body) in refused { try expect(misuse, from: body) }
            try device.fill(buffer, with: 4, on: stream)
            try device.record(event, on: stream)
        }
        #expect(throws: DeviceError.eventNotRecorded(id: event.id)) { try device.nanoseconds(from: event, to: event) }
        try device.replay(empty, on: stream)
        try device.replay(graph, on: stream)
        try device.synchronize(stream)
        #expect(try device.read(UInt8.self, count: 16, from: buffer) == [UInt8](repeating: 4, count: 16))
    }

    @Test("Forks have to be joined, and come from inside", arguments: DeviceCase.all())
    func joins(_ test: DeviceCase) throws {
        struct Interruption: Error {}
        let device = test.device
        let main = try device.makeStream(label: "main")
        let side = try device.makeStream(label: "side")
        let outside = try device.makeEvent()
        let inside = try device.makeEvent()
        let buffer = try device.makeBuffer([UInt8](repeating: 3, count: 16), label: "buffer")
        do {
            _ = try device.capture(on: main) {
                try device.record(inside, on: main)
                try device.wait(for: inside, on: side)
                try device.fill(buffer, with: 4, on: side)
            }
            Issue.record("a fork was forgotten and nobody noticed")
        } catch DeviceError.capture(.notJoined) {}
        try device.record(outside, on: side)
        #expect(throws: DeviceError.capture(.outsideEvent(event: outside.id))) {
            _ = try device.capture(on: main) { try device.wait(for: outside, on: main) }
        }
        #expect(throws: Interruption.self) { _ = try device.capture(on: main) { throw Interruption() } }
        // Work outside of the capture runs at once.
        let graph = try device.capture(on: main) {
            try device.fill(buffer, with: 5, on: side)
            try device.fill(buffer, with: 6, on: main)
        }
        try device.synchronize()
        #expect(try device.read(UInt8.self, count: 16, from: buffer) == [UInt8](repeating: 5, count: 16))
        try device.replay(graph, on: side)
        try device.synchronize(side)
        #expect(try device.read(UInt8.self, count: 16, from: buffer) == [UInt8](repeating: 6, count: 16))
    }

    @Test("A buffer released during a capture does not break it", arguments: DeviceCase.all())
    func release(_ test: DeviceCase) throws {
        let device = test.device
        let stream = try device.makeStream(label: "main")
        let kept = try device.makeBuffer([UInt8](repeating: 3, count: 16), label: "kept")
        var short: DeviceBuffer? = try device.makeBuffer([UInt8](repeating: 3, count: 16), label: "short")
        #expect(short != nil)
        let graph = try device.capture(on: stream) {
            short = nil
            try device.fill(kept, with: 8, on: stream)
        }
        try device.replay(graph, on: stream)
        try device.synchronize()
        #expect(try device.read(UInt8.self, count: 16, from: kept) == [UInt8](repeating: 8, count: 16))
    }
}
