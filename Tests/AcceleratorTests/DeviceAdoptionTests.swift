import Accelerator
import KernelLanguage
import Synchronization
import Testing

/// Memory and streams of others.
@Suite("Device: adoption")
struct DeviceAdoptionTests {
    /// How often something was released.
    private final class Count: Sendable {
        private let count = Atomic(0)
        var value: Int { count.load(ordering: .relaxed) }
        func add() { count.add(1, ordering: .relaxed) }
    }

    private func increment(_ device: any Device, _ buffer: DeviceBuffer, on stream: DeviceStream) throws {
        let kernel = try device.load(DeviceKernels.affine())
        try device.launch(
            kernel, blocks: 1, arguments: [.address(buffer.address), .uint32(1), .uint32(1)], dependentLaunch: false,
            on: stream)
    }

    @Test("A part of somebody's allocation is used where it is, and given back once", arguments: DeviceCase.all())
    func memory(_ test: DeviceCase) throws {
        let device = test.device
        let stream = try device.makeStream(label: "main")
        let whole = try device.makeBuffer((0..<256).map { UInt32($0) }, label: "whole")
        let releases = Count()
        do {
            let part = try device.adopt(address: whole.address + 512, bytes: 256, label: "part") { releases.add() }
            #expect(part.address == whole.address + 512 && part.bytes == 256 && part.label == "part")
            try increment(device, part, on: stream)
            let piece = part.part("piece", offset: 128, bytes: 64)
            try device.synchronize(stream)
            #expect(try device.read(UInt32.self, count: 2, from: piece) == [161, 162])
            try device.write([7] as [UInt32], to: part)
            #expect(throws: DeviceError.bufferRange(label: "part", offset: 253, bytes: 4, size: 256)) {
                try device.read(UInt32.self, count: 1, from: part, offset: 253)
            }
            #expect(releases.value == 0)
        }
        #expect(releases.value == 1)
        #expect(try device.read(UInt32.self, count: 3, from: whole, offset: 508) == [127, 7, 130])
    }

    @Test("What is no memory of the device is refused", arguments: DeviceCase.all())
    func refused(_ test: DeviceCase) throws {
        let device = test.device
        let releases = Count()
        func refuse(_ error: DeviceError, _ address: UInt64, _ bytes: Int) {
            #expect(throws: error) { try device.adopt(address: address, bytes: bytes, label: "x") { releases.add() } }
        }
        // Large, so that a GPU's driver gives it an allocation of its own.
        let size = 32 << 20
        let buffer = try device.allocate(bytes: size, label: "buffer")
        for (address, bytes) in [
            (0, 16), (1, 16), (UInt64.max, 16), (0x1234_5678, 1), (buffer.address, size + 1),
            (buffer.address + 16, size), (buffer.address, .max),
        ] as [(UInt64, Int)] {
            refuse(.notDeviceMemory(label: "x", address: address, bytes: bytes), address, bytes)
        }
        for bytes in [0, -1, .min] { refuse(.allocation(label: "x", bytes: bytes), buffer.address, bytes) }
        // Memory of the host is none of the device's.
        withUnsafeTemporaryAllocation(byteCount: 64, alignment: 64) { memory in
            let address = UInt64(UInt(bitPattern: memory.baseAddress))
            refuse(.notDeviceMemory(label: "x", address: address, bytes: 64), address, 64)
        }
        #expect(releases.value == 0)
        let all = try device.adopt(address: buffer.address, bytes: size, label: "all") { releases.add() }
        #expect(all.bytes == size)
    }

    @Test("Memory released while work is under way is given back when that is done")
    func givenBackLater() throws {
        let device = SimulatedDevice(seed: 3, multiprocessors: 1)
        let stream = try device.makeStream(label: "main")
        let releases = Count()
        var words = [UInt32](repeating: 4, count: 64)
        try words.withUnsafeMutableBytes { bytes in
            let memory = try #require(bytes.baseAddress.map { UnsafeMutableRawBufferPointer(start: $0, count: 256) })
            var buffer: DeviceBuffer? = try device.adopt(host: memory, label: "words") { releases.add() }
            if let buffer { try increment(device, buffer, on: stream) }
            buffer = nil
            #expect(releases.value == 0, "a kernel has yet to use it")
            try device.synchronize(stream)
            #expect(releases.value == 1)
        }
        #expect(words == [UInt32](repeating: 5, count: 64))
        #expect(device.inventory.machine.allocations == 0)
    }

    /// 1,024 bytes of the host at a multiple of 64, freed with the last reference.
    private final class HostMemory: @unchecked Sendable {
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 1024, alignment: 64)
        init() { bytes.initializeMemory(as: UInt8.self, repeating: 0) }
        deinit { bytes.deallocate() }

        func part(_ range: Range<Int>) -> UnsafeMutableRawBufferPointer {
            UnsafeMutableRawBufferPointer(rebasing: bytes[range])
        }
    }

    @Test("The simulator uses memory of the host where it is, whole and in parts", arguments: 0..<3)
    func hostMemory(_ seed: UInt64) throws {
        let device = SimulatedDevice(seed: seed, multiprocessors: 2)
        let stream = try device.makeStream(label: "main")
        let host = HostMemory()
        let whole = try device.adopt(host: host.bytes, label: "whole") { [host] in _ = host }
        let part = try device.adopt(host: host.part(256..<512), label: "part")
        #expect(part.address == whole.address + 256)
        #expect(whole.address % 64 == UInt64(UInt(bitPattern: host.bytes.baseAddress)) % 64)
        try increment(device, part, on: stream)
        try increment(device, whole, on: stream)
        try increment(device, part, on: stream)
        try device.synchronize(stream)
        let words = host.bytes.bindMemory(to: UInt32.self)
        #expect(words[0] == 1 && words[63] == 1 && words[64] == 2 && words[127] == 2 && words[128] == 0)
        // The host's own writes are seen too.
        words[5] = 41
        try increment(device, whole, on: stream)
        try device.synchronize(stream)
        #expect(words[5] == 42)
        #expect(throws: DeviceError.self, "past the end of a part's whole") {
            let past = try device.load(DeviceKernels.affine())
            try device.launch(
                past, blocks: 5, arguments: [.address(whole.address), .uint32(1), .uint32(1)],
                dependentLaunch: false, on: stream)
            try device.synchronize(stream)
        }
    }

    @Test("Races in memory of the host are found, and order is seen", arguments: 0..<4)
    func hostMemoryRaces(_ seed: UInt64) throws {
        /// Each block adds to the first word, by one thread.
        func run(order: MemoryOrder, atomically: Bool) throws -> UInt32 {
            let host = HostMemory()
            let device = SimulatedDevice(
                configuration: .init(multiprocessors: 2, schedule: .random(seed: seed)))
            let kernel = try KernelBuilder.build("count", threads: 32) { k in
                let word = k.pointerParameter("word", to: UInt32.self)
                k.if(k.isFirstThread) {
                    if atomically {
                        k.atomicAdd(word, 1, order: order)
                    } else {
                        k.store(k.load(word) + 1, to: word)
                    }
                }
            }
            let buffer = try device.adopt(host: host.part(16..<32), label: "word") { [host] in _ = host }
            let stream = try device.makeStream(label: "main")
            let loaded = try device.load(kernel)
            try device.launch(
                loaded, blocks: 2, arguments: [.address(buffer.address)], dependentLaunch: false, on: stream)
            try device.synchronize(stream)
            return host.bytes.load(fromByteOffset: 16, as: UInt32.self)
        }
        #expect(try run(order: .relaxed(.gpu), atomically: true) == 2)
        do {
            _ = try run(order: .weak, atomically: false)
            Issue.record("the race was not seen")
        } catch DeviceError.simulation(.race(_)) {}
    }

    @Test("Memory of the host that kernels cannot use, or that is adopted in part, is refused")
    func hostMemoryRefused() throws {
        let device = SimulatedDevice(seed: 1, multiprocessors: 1)
        let host = HostMemory()
        let start = UInt64(UInt(bitPattern: host.bytes.baseAddress))
        #expect(throws: DeviceError.allocation(label: "none", bytes: 0)) {
            try device.adopt(host: .init(start: nil, count: 0), label: "none")
        }
        for offset in [1, 4, 8, 15] {
            #expect(throws: DeviceError.hostAlignment(label: "odd", address: start + UInt64(offset))) {
                try device.adopt(host: host.part(offset..<512), label: "odd")
            }
        }
        let middle = try device.adopt(host: host.part(256..<512), label: "middle")
        for (range, address) in [(0..<272, start), (496..<1024, start + 496), (0..<1024, start)] {
            #expect(throws: DeviceError.adoptedInPart(label: "more", address: address, bytes: range.count)) {
                try device.adopt(host: host.part(range), label: "more")
            }
        }
        let beside = try device.adopt(host: host.part(512..<1024), label: "beside")
        #expect(device.inventory.machine.allocations == 2 && middle.bytes + beside.bytes == 768)
    }

    @Test("Work on an adopted stream is in order with its owner's", arguments: DeviceCase.all())
    func streams(_ test: DeviceCase) throws {
        let device = test.device
        let owner = try device.makeStream(label: "owner")
        let data = try device.makeBuffer([UInt32](repeating: 0, count: 64), label: "data")
        do {
            let adopted = try device.adopt(stream: owner.handle, label: "adopted")
            #expect(adopted.handle == owner.handle)
            try increment(device, data, on: owner)
            try increment(device, data, on: adopted)
            let held = try device.load(DeviceKernels.affine())
            let graph = try device.capture(on: adopted) { try increment(device, data, on: adopted) }
            #expect(held.id > 0)
            try device.replay(graph, on: owner)
        }
        // The owner's stream is still there.
        try increment(device, data, on: owner)
        try device.synchronize(owner)
        #expect(try device.read(UInt32.self, count: 1, from: data) == [4])
    }

    @Test("Default streams are there, and the legacy one cannot be captured", arguments: DeviceCase.all())
    func defaultStreams(_ test: DeviceCase) throws {
        let device = test.device
        let data = try device.makeBuffer([UInt32](repeating: 0, count: 64), label: "data")
        for handle in 0...2 as ClosedRange<UInt> {
            let stream = try device.adopt(stream: handle, label: "default")
            #expect(stream.handle == max(handle, 1))
            try increment(device, data, on: stream)
            if handle == 2 {
                let held = try device.load(DeviceKernels.affine())
                let graph = try device.capture(on: stream) { try increment(device, data, on: stream) }
                #expect(held.id > 0)
                try device.replay(graph, on: stream)
            } else {
                #expect(throws: DeviceError.capture(.legacyStream)) { try device.capture(on: stream) {} }
            }
            try device.synchronize(stream)
        }
        try device.synchronize()
        #expect(try device.read(UInt32.self, count: 1, from: data) == [4])
    }

    @Test("A stream that is not there is refused by the simulator; a GPU's driver cannot tell")
    func foreignStreams() throws {
        let device = SimulatedDevice(seed: 1, multiprocessors: 1)
        let other = SimulatedDevice(seed: 1, multiprocessors: 1)
        let foreign = try other.makeStream(label: "foreign")
        let gone = try device.makeStream(label: "gone").handle
        for handle in [foreign.handle, gone, 0xDEAD_BEEF] {
            #expect(throws: DeviceError.foreignStream(handle: handle, device: "the simulated machine, seed 1")) {
                try device.adopt(stream: handle, label: "x")
            }
        }
    }
}
