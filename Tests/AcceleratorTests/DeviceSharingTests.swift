import Accelerator
import KernelLanguage
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite struct DeviceSharingTests {
    private static let bytes = DeviceKernels.threads * 4

    /// `words = words * factor + addend`, on a stream of its own.
    private func change(
        _ buffer: DeviceBuffer, factor: UInt32, addend: UInt32, on device: any Device
    ) throws {
        let stream = try device.makeStream(label: "change")
        try device.launch(
            device.load(DeviceKernels.affine()), blocks: 1,
            arguments: [.address(buffer.address), .uint32(factor), .uint32(addend)], dependentLaunch: false, on: stream)
        try device.synchronize(stream)
    }

    private func words(_ buffer: DeviceBuffer, on device: any Device) throws -> Set<UInt32> {
        Set(try device.read(UInt32.self, count: DeviceKernels.threads, from: buffer))
    }

    private func fill(_ buffer: DeviceBuffer, with value: UInt32, on device: any Device) throws {
        try device.write([UInt32](repeating: value, count: DeviceKernels.threads), to: buffer)
    }

    @Test("Memory opened again, also by a copied descriptor, is the same memory", arguments: DeviceCase.all())
    func openedAgain(_ test: DeviceCase) throws {
        let device = test.device
        let own = try device.allocateShareable(bytes: Self.bytes, label: "window")
        try fill(own, with: 5, on: device)
        let handle = try device.export(own)
        guard case .fileDescriptor(let descriptor) = handle else {
            // Older handles are not for the process that made them.
            return #expect(device.properties.kind == .cuda)
        }
        let first = try device.open(handle, bytes: Self.bytes, label: "first")
        let second = try device.open(.fileDescriptor(descriptor.duplicate()), bytes: Self.bytes, label: "second")
        #expect(Set([own.address, first.address, second.address]).count == 3)
        #expect(try words(first, on: device) == [5])
        try change(first, factor: 3, addend: 1, on: device)
        #expect(try words(own, on: device) == [16] && words(second, on: device) == [16])
        try change(own, factor: 2, addend: 0, on: device)
        try change(second, factor: 1, addend: 7, on: device)
        for buffer in [own, first, second] { #expect(try words(buffer, on: device) == [39]) }
    }

    @Test("Whoever lets go of shared memory first, the others keep it", arguments: DeviceCase.all(), [0, 1])
    func order(_ test: DeviceCase, first: Int) throws {
        let device = test.device
        var own: DeviceBuffer? = try device.allocateShareable(bytes: Self.bytes, label: "window")
        var handle: SharedMemoryHandle? = try own.map(device.export)
        guard case .fileDescriptor? = handle else { return }
        var opened: DeviceBuffer? = try handle.map { try device.open($0, bytes: Self.bytes, label: "opened") }
        handle = nil
        try opened.map { try fill($0, with: 9, on: device) }
        if first == 0 { own = nil } else { opened = nil }
        let left = try #require(first == 0 ? opened : own)
        #expect(try words(left, on: device) == [9])
        try change(left, factor: 1, addend: 1, on: device)
        #expect(try words(left, on: device) == [10])
        // A fresh handle from the owner still works.
        if let own {
            let again = try device.open(device.export(own), bytes: Self.bytes, label: "again")
            #expect(try words(again, on: device) == [10])
        }
    }

    @Test("Memory that is let go of with work under way is there until the work is done", arguments: DeviceCase.all())
    func underWay(_ test: DeviceCase) throws {
        let device = test.device
        let own = try device.allocateShareable(bytes: Self.bytes, label: "window")
        guard case .fileDescriptor = try device.export(own) else { return }
        try fill(own, with: 1, on: device)
        let stream = try device.makeStream(label: "stream")
        do {
            let opened = try device.open(device.export(own), bytes: Self.bytes, label: "opened")
            let kernel = try device.load(DeviceKernels.affine())
            for _ in 0..<3 {
                try device.launch(
                    kernel, blocks: 1, arguments: [.address(opened.address), .uint32(2), .uint32(1)],
                    dependentLaunch: false, on: stream)
            }
        }
        try device.synchronize(stream)
        #expect(try words(own, on: device) == [15])
        if let device = device as? SimulatedDevice { #expect(device.inventory.machine.allocations == 1) }
    }

    @Test("Only the whole of shareable memory is exported", arguments: DeviceCase.all())
    func notShareable(_ test: DeviceCase) throws {
        let device = test.device
        let plain = try device.allocate(bytes: 4096, label: "plain")
        let own = try device.allocateShareable(bytes: 4096, label: "window")
        let part = own.part("part", offset: 0, bytes: 2048)
        for buffer in [plain, part, own.part("rest", offset: 2048, bytes: 2048)] {
            #expect(throws: DeviceError.notShareable(label: buffer.label, address: buffer.address)) {
                _ = try device.export(buffer)
            }
        }
        if case .fileDescriptor = try device.export(own) {
            let opened = try device.open(device.export(own), bytes: 4096, label: "opened")
            #expect(throws: DeviceError.notShareable(label: "opened", address: opened.address)) {
                _ = try device.export(opened)
            }
        }
        let other = SimulatedDevice(seed: 9)
        #expect(throws: DeviceError.foreignBuffer(label: "window", address: own.address)) { _ = try other.export(own) }
        #expect(throws: DeviceError.allocation(label: "none", bytes: 0)) {
            _ = try device.allocateShareable(bytes: 0, label: "none")
        }
    }

    @Test func sizesAndDescriptorsThatAreNotRightAreRefused() throws {
        let device = SimulatedDevice(seed: 1)
        let own = try device.allocateShareable(bytes: 5000, label: "window")
        let handle = try device.export(own)
        #expect(try device.open(handle, bytes: 100, label: "beginning").bytes == 100)
        #expect(throws: DeviceError.sharedSize(label: "w", bytes: 5001, available: 5000)) {
            _ = try device.open(handle, bytes: 5001, label: "w")
        }
        for bytes in [0, -1] {
            #expect(throws: DeviceError.allocation(label: "w", bytes: bytes)) {
                _ = try device.open(handle, bytes: bytes, label: "w")
            }
        }
        for handle in [SharedMemoryHandle.legacyIPC([UInt8](repeating: 0, count: 64)), .fabric([])] {
            #expect(throws: DeviceError.self) { _ = try device.open(handle, bytes: 16, label: "w") }
        }
        // A descriptor that is not open, and one of something that is not mapped.
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        close(ends[1])
        let end = SharedMemoryHandle.fileDescriptor(FileDescriptor(owning: ends[0]))
        #expect(throws: DeviceError.self) { _ = try device.open(end, bytes: 16, label: "w") }
        do {
            _ = try device.open(.fileDescriptor(FileDescriptor(owning: 1 << 20)), bytes: 16, label: "w")
            Issue.record("no error")
        } catch DeviceError.systemCall(_, let code, _) {
            #expect(code == EBADF)
        }
        #expect(throws: DeviceError.self) { _ = try device.allocateShareable(bytes: 1 << 60, label: "w") }
        #expect(device.inventory.machine.allocations == 1)
    }

    @Test("Descriptors are closed once, and not passed on to programs")
    func descriptors() throws {
        let device = SimulatedDevice(seed: 1)
        var numbers: Set<Int32> = []
        for _ in 0..<3000 {
            let own = try device.allocateShareable(bytes: 64, label: "window")
            let opened = try device.open(device.export(own), bytes: 64, label: "opened")
            guard case .fileDescriptor(let descriptor) = try device.export(own) else { return }
            #expect(fcntl(descriptor.number, F_GETFD) & FD_CLOEXEC != 0)
            numbers.insert(descriptor.number)
            #expect(opened.bytes == 64)
        }
        // Numbers that are free are given again; other tests have some too.
        #expect(numbers.count < 500)
        #expect(device.inventory.machine.allocations == 0)
    }

    @Test("During a capture there is no shared memory", arguments: DeviceCase.all())
    func captures(_ test: DeviceCase) throws {
        let device = test.device
        let own = try device.allocateShareable(bytes: 64, label: "window")
        let handle = try device.export(own)
        let stream = try device.makeStream(label: "main")
        let graph = try device.capture(on: stream) {
            #expect(throws: DeviceError.self) { _ = try device.allocateShareable(bytes: 64, label: "w") }
            #expect(throws: DeviceError.self) { _ = try device.open(handle, bytes: 64, label: "w") }
        }
        #expect(graph.id > 0)
    }

    @Test("Devices know themselves and whom they reach", arguments: DeviceCase.all())
    func reach(_ test: DeviceCase) throws {
        let device = test.device
        let id = device.properties.uniqueID
        #expect(try device.canReach(uniqueID: id))
        #expect(try !device.canReach(uniqueID: String(repeating: "0", count: 32)))
        switch device.properties.kind {
        case .simulator:
            #expect(id == "simulator \(getpid())")
            #expect(try device.canReach(uniqueID: "simulator 1"))
            #expect(!device.properties.sharesContexts)
        case .cuda: #expect(id.count == 32 && id.allSatisfy(\.isHexDigit))
        }
    }
}
