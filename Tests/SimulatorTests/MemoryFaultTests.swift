import KernelLanguage
import Simulator
import Testing

@Suite struct MemoryFaultTests {
    @Test func loadPastTheEndNamesLineLaneAndAllocation() throws {
        let harness = Harness()
        let line = #line + 5
        let kernel = try KernelBuilder.build("past", threads: 64) { k in
            let input = k.pointerParameter("in", to: UInt32.self)
            let out = k.pointerParameter("out", to: UInt32.self)
            let index = k.blockIndex * 64 + k.threadIndex
            k.store(k.load(input + index), to: out + index)
        }
        let input = try harness.buffer([UInt32](repeating: 3, count: 100), "weights")
        let out = try harness.empty(UInt32.self, count: 128, "results")
        let error = try harness.failure(kernel, grid: 2, [.address(input), .address(out)])
        guard case .outOfBounds(let fault) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(fault.place?.kernel == "past")
        #expect(fault.place?.location.line == line)
        #expect(fault.place?.block == 1)
        #expect(fault.place?.warp == 1)
        #expect(fault.place?.lane == 4)
        #expect(fault.address == input + 400)
        #expect(fault.nearest?.label == "weights")
        #expect(fault.nearest?.bytes == 400)
        #expect(fault.nearest?.offset == 400)
        #expect("\(fault)".contains("0 bytes past the end of weights (400 bytes)"))
    }

    @Test func afterAnErrorTheMachineWaitsForAReset() throws {
        let harness = Harness()
        let kernel = try KernelBuilder.build("wild", threads: 32) { k in
            let out = k.pointerParameter("out", to: UInt32.self)
            k.store(k.lane, to: out + k.lane)
        }
        let out = try harness.empty(UInt32.self, count: 32)
        let error = try harness.failure(kernel, [.address(64)])
        guard case .outOfBounds = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(throws: SimulationError.self) { try harness.machine.synchronize(harness.stream) }
        #expect(throws: SimulationError.self) { try harness.launch(kernel, [.address(out)]) }
        harness.machine.reset()
        try harness.run(kernel, [.address(out)])
        #expect(try harness.read(UInt32.self, count: 32, at: out) == Array(0..<32))
    }

    @Test func uninitialisedLoads() throws {
        let harness = Harness()
        let kernel = try KernelBuilder.build("uninitialised", threads: 32) { k in
            let data = k.pointerParameter("data", to: UInt32.self)
            k.if(k.lane < 31) { k.store(k.lane, to: data + k.lane) }
            k.syncThreads()
            k.store(k.load(data + k.lane), to: data + k.lane)
        }
        let data = try harness.empty(UInt32.self, count: 32, "rows")
        let error = try harness.failure(kernel, [.address(data)])
        guard case .uninitialised(let fault) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(fault.place?.lane == 31)
        #expect(fault.nearest?.label == "rows")
        #expect(fault.nearest?.offset == 124)
    }

    @Test func whatWasDiscardedIsAsIfNeverWritten() throws {
        let harness = Harness()
        let kernel = try KernelBuilder.build("discard", threads: 32) { k in
            let data = k.pointerParameter("data", to: UInt32.self)
            k.store(k.lane, to: data + k.lane)
            k.store(k.lane, to: data + k.lane + 32)
            k.syncWarp()
            k.if(k.isFirstLane) {
                k.discard(data + 32)
                k.store(k.load(data + 31), to: data)
                k.store(k.load(data + 40), to: data)
            }
        }
        let data = try harness.empty(UInt32.self, count: 64, "sums")
        let error = try harness.failure(kernel, [.address(data)])
        guard case .uninitialised(let fault) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(fault.nearest?.offset == 160)
    }

    /// Words from the start of 64: past the end, and at no multiple of 128 bytes.
    @Test(arguments: [(64, "0 bytes past the end of sums"), (4, "no multiple of 128")])
    func discardsOfWholeLinesThatExist(at word: Int, message: String) throws {
        let harness = Harness()
        let kernel = try KernelBuilder.build("discard", threads: 32) { k in
            let data = k.pointerParameter("data", to: UInt32.self)
            k.if(k.isFirstLane) { k.discard(data + k.constant(UInt32(word))) }
        }
        let data = try harness.empty(UInt32.self, count: 64, "sums")
        let error = try harness.failure(kernel, [.address(data)])
        #expect("\(String(describing: error))".contains(message), "\(String(describing: error))")
    }

    @Test func uninitialisedSharedMemoryAndBytes() throws {
        let harness = Harness()
        let kernel = try KernelBuilder.build("shared", threads: 32) { k in
            let out = k.pointerParameter("out", to: UInt32.self)
            let bytes = k.shared(Float8E4M3.self, count: 256)
            k.store(k.lane.converted(to: Float8E4M3.self), to: bytes + k.lane * 2)
            k.syncThreads()
            k.store(k.load(bytes + (k.lane * 2 + 1)).converted(to: UInt32.self), to: out + k.lane)
        }
        let out = try harness.empty(UInt32.self, count: 32)
        let error = try harness.failure(kernel, [.address(out)])
        guard case .uninitialised(let fault) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(fault.space == .shared)
        #expect(fault.nearest?.offset == 1)
    }

    @Test func misalignedVectors() throws {
        let harness = Harness()
        let kernel = try KernelBuilder.build("vector", threads: 32) { k in
            let data = k.pointerParameter("data", to: UInt32.self)
            k.storeVector([k.lane, k.lane], to: data + k.lane * 3)
        }
        let data = try harness.empty(UInt32.self, count: 128)
        let error = try harness.failure(kernel, [.address(data)])
        guard case .misaligned(let fault, let alignment) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(alignment == 8)
        #expect(fault.place?.lane == 1)
    }

    @Test func sharedMemoryHasBounds() throws {
        let harness = Harness()
        let kernel = try KernelBuilder.build("bounds", threads: 32) { k in
            let words = k.shared(UInt32.self, count: 16)
            k.store(k.lane, to: words + k.lane)
        }
        let error = try harness.failure(kernel, [])
        guard case .outOfBounds(let fault) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(fault.space == .shared)
        #expect(fault.place?.lane == 16)
    }

    @Test func freedMemoryIsOutOfBounds() throws {
        let harness = Harness()
        let address = try harness.buffer([UInt32](repeating: 1, count: 32))
        try harness.machine.free(address)
        #expect(throws: SimulationError.self) { _ = try harness.read(UInt32.self, count: 1, at: address) }
        #expect(throws: SimulationError.self) { try harness.machine.free(address) }
        #expect(throws: SimulationError.self) { _ = try harness.machine.allocate(bytes: 0, label: "nothing") }
    }

    @Test func everyWidthRoundTrips() throws {
        let harness = Harness()
        let kernel = try KernelBuilder.build("widths", threads: 32) { k in
            let bytes = k.pointerParameter("bytes", to: Float8E4M3.self)
            let halves = k.pointerParameter("halves", to: BFloat16.self)
            let longs = k.pointerParameter("longs", to: UInt64.self)
            let scratch = k.shared(UInt64.self, count: 64)
            let b = k.loadVector(bytes + k.lane * 4, count: 4)
            k.storeVector([b[3], b[2], b[1], b[0]], to: bytes + k.lane * 4)
            let h = k.loadVector(halves + k.lane * 2, count: 2)
            k.storeVector([h[1], h[0]], to: halves + k.lane * 2)
            let l = k.loadVector(longs + k.lane * 2, count: 2)
            k.storeVector([l[1], l[0]], to: scratch + k.lane * 2)
            let s = k.loadVector(scratch + k.lane * 2, count: 2)
            k.storeVector(s, to: longs + k.lane * 2)
        }
        let bytes = (0..<128).map { UInt8($0) }
        let halves = (0..<64).map { UInt16($0) << 8 | 7 }
        let longs = (0..<64).map { UInt64($0) << 40 | 9 }
        let (b, h, l) = (try harness.buffer(bytes), try harness.buffer(halves), try harness.buffer(longs))
        try harness.run(kernel, [.address(b), .address(h), .address(l)])
        #expect(try harness.read(UInt8.self, count: 128, at: b) == (0..<128).map { bytes[$0 ^ 3] })
        #expect(try harness.read(UInt16.self, count: 64, at: h) == (0..<64).map { halves[$0 ^ 1] })
        #expect(try harness.read(UInt64.self, count: 64, at: l) == (0..<64).map { longs[$0 ^ 1] })
    }
}
