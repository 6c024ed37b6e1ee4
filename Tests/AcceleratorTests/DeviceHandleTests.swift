import Accelerator
import KernelLanguage
import Testing

/// Handles free what they hold when they go, and not before it is done.
@Suite("Device: handles")
struct DeviceHandleTests {
    /// Captures with a fork, replays, and lets everything go, `count` times.
    private func use(_ device: any Device, _ count: Int) throws {
        let data = try device.makeBuffer([UInt32](repeating: 1, count: 64), label: "data")
        let affine = try DeviceKernels.affine()
        for round in 0..<count {
            let main = try device.makeStream(label: "main")
            let side = try device.makeStream(label: "side")
            let (fork, join) = (try device.makeEvent(), try device.makeEvent())
            let kernel = try device.load(affine)
            let short = try device.allocate(bytes: 256, label: "short")
            let graph = try device.capture(on: main) {
                try device.record(fork, on: main)
                try device.wait(for: fork, on: side)
                try device.fill(short, with: 1, on: side)
                try device.record(join, on: side)
                try device.launch(
                    kernel, blocks: 1, arguments: [.address(data.address), .uint32(1), .uint32(1)],
                    dependentLaunch: false, on: main)
                try device.wait(for: join, on: main)
            }
            if round % 100 == 0 {
                try device.replay(graph, on: main)
                try device.synchronize(main)
            }
        }
        try device.synchronize()
        let replays = UInt32((count + 99) / 100)
        #expect(try device.read(UInt32.self, count: 1, from: data) == [1 + replays])
    }

    @Test("10,000 captures with their streams, events, kernels and buffers leave nothing behind")
    func nothingIsLeft() throws {
        let device = SimulatedDevice(seed: 1, multiprocessors: 1)
        let before = device.inventory
        #expect(before.machine.streams == 0 && before.machine.events == 0 && before.machine.allocations == 0)
        try use(device, 10_000)
        #expect(device.inventory == before)
    }

    @Test("Each device makes and frees them again and again", arguments: DeviceCase.all())
    func again(_ test: DeviceCase) throws { try use(test.device, 300) }

    @Test("What is let go of with work under way is done with it first", arguments: DeviceCase.all())
    func underWay(_ test: DeviceCase) throws {
        let device = test.device
        let result = try device.makeBuffer([UInt32](repeating: 5, count: 64), label: "result")
        func launch(on stream: DeviceStream) throws {
            let kernel = try device.load(DeviceKernels.affine())
            try device.launch(
                kernel, blocks: 1, arguments: [.address(result.address), .uint32(2), .uint32(1)],
                dependentLaunch: false, on: stream)
        }
        do {
            let first = try device.makeStream(label: "first")
            try launch(on: first)
            let event = try device.makeEvent()
            try device.record(event, on: first)
            let second = try device.makeStream(label: "second")
            try device.wait(for: event, on: second)
            try launch(on: second)
            let third = try device.makeStream(label: "third")
            let held = try device.load(DeviceKernels.affine())
            let graph = try device.capture(on: third) { try launch(on: third) }
            #expect(held.id > 0)
            let joined = try device.makeEvent()
            try device.record(joined, on: second)
            try device.wait(for: joined, on: third)
            try device.replay(graph, on: third)
        }
        try device.synchronize()
        #expect(try device.read(UInt32.self, count: 64, from: result) == [UInt32](repeating: 47, count: 64))
        if let device = device as? SimulatedDevice {
            var expected = SimulatedDevice().inventory
            expected.machine.allocations = 1
            #expect(device.inventory == expected)
        }
    }

    @Test("Handles may go while a thread captures, and a graph keeps its kernels", arguments: DeviceCase.all())
    func duringCaptures(_ test: DeviceCase) throws {
        let device = test.device
        let stream = try device.makeStream(label: "main")
        let data = try device.makeBuffer([UInt32](repeating: 5, count: 64), label: "data")
        var kernel: LoadedKernel? = try device.load(DeviceKernels.affine())
        var other: DeviceStream? = try device.makeStream(label: "other")
        var event: DeviceEvent? = try device.makeEvent()
        var empty: DeviceGraph? = try device.capture(on: stream) {}
        #expect(other != nil && event != nil && empty != nil)
        let graph = try device.capture(on: stream) {
            func launch(_ kernel: LoadedKernel) throws {
                try device.launch(
                    kernel, blocks: 1, arguments: [.address(data.address), .uint32(3), .uint32(2)],
                    dependentLaunch: false, on: stream)
            }
            if let kernel { try launch(kernel) }
            (kernel, other, event, empty) = (nil, nil, nil, nil)
            // The capture holds it, so it need not be loaded.
            try launch(device.load(DeviceKernels.affine()))
        }
        try device.synchronize()
        for _ in 0..<2 { try device.replay(graph, on: stream) }
        try device.synchronize()
        #expect(try device.read(UInt32.self, count: 64, from: data) == [UInt32](repeating: 485, count: 64))
    }

    @Test("Two kernels of one name are two, and one that nobody holds is loaded again", arguments: DeviceCase.all())
    func kernels(_ test: DeviceCase) throws {
        let device = test.device
        let stream = try device.makeStream(label: "main")
        let data = try device.makeBuffer([UInt32](repeating: 1, count: 32), label: "data")
        func kernel(adding number: UInt32) throws -> Kernel {
            try KernelBuilder.build("same", threads: 32) { k in
                let place = k.pointerParameter("data", to: UInt32.self) + k.threadIndex
                k.store(k.load(place) + k.constant(number), to: place)
            }
        }
        let (one, ten) = (try device.load(kernel(adding: 1)), try device.load(kernel(adding: 10)))
        #expect(one.id != ten.id)
        for loaded in [one, ten, ten, try device.load(kernel(adding: 100))] {
            try device.launch(
                loaded, blocks: 1, arguments: [.address(data.address)], dependentLaunch: false, on: stream)
        }
        let again = try device.load(kernel(adding: 100))
        try device.launch(again, blocks: 1, arguments: [.address(data.address)], dependentLaunch: false, on: stream)
        try device.synchronize(stream)
        #expect(try device.read(UInt32.self, count: 1, from: data) == [222])
    }
}
