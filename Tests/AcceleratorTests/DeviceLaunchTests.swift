import Accelerator
import KernelLanguage
import Testing

@Suite("Device: launching")
struct DeviceLaunchTests {
    @Test("A kernel changes what its arguments say", arguments: DeviceCase.all())
    func launches(_ test: DeviceCase) throws {
        let device = test.device
        let stream = try device.makeStream(label: "main")
        let values = (0..<256).map { UInt32($0) }
        let buffer = try device.makeBuffer(values, label: "values")
        let kernel = try device.load(DeviceKernels.affine())
        for _ in 0..<2 {
            try device.launch(
                kernel, blocks: 4, arguments: [.address(buffer.address), .uint32(3), .uint32(7)],
                dependentLaunch: false, on: stream)
        }
        try device.synchronize(stream)
        let expected: [UInt32] = values.map { (value: UInt32) -> UInt32 in (value * 3 + 7) * 3 + 7 }
        #expect(try device.read(UInt32.self, count: 256, from: buffer) == expected)
    }

    @Test("Each kind of argument arrives", arguments: DeviceCase.all())
    func kinds(_ test: DeviceCase) throws {
        let device = test.device
        let stream = try device.makeStream(label: "main")
        let buffer = try device.makeBuffer([UInt8](repeating: 0, count: 24), label: "out")
        let kernel = try device.load(DeviceKernels.kinds())
        try device.launch(
            kernel, blocks: 1,
            arguments: [
                .address(buffer.address), .uint32(0xFEDC_BA98), .int32(-5), .float32(-1.5),
                .uint64(0x0123_4567_89AB_CDEF),
            ], dependentLaunch: false, on: stream)
        try device.synchronize()
        #expect(try device.read(UInt32.self, count: 1, from: buffer) == [0xFEDC_BA98])
        #expect(try device.read(Int32.self, count: 1, from: buffer, offset: 4) == [-5])
        #expect(try device.read(Float.self, count: 1, from: buffer, offset: 8) == [-1.5])
        #expect(try device.read(UInt64.self, count: 1, from: buffer, offset: 16) == [0x0123_4567_89AB_CDEF])
    }

    @Test("Wrong arguments are refused before anything runs", arguments: DeviceCase.all())
    func arguments(_ test: DeviceCase) throws {
        let device = test.device
        let stream = try device.makeStream(label: "main")
        let kernel = try device.load(DeviceKernels.affine())
        let buffer = try device.makeBuffer([UInt32](repeating: 9, count: 64), label: "values")
        func launch(_ arguments: [KernelArgument], blocks: Int = 1) throws {
            try device.launch(kernel, blocks: blocks, arguments: arguments, dependentLaunch: false, on: stream)
        }
        let address = KernelArgument.address(buffer.address)
        #expect(
            throws: DeviceError.argumentCount(kernel: "affine", parameters: ["data", "factor", "addend"], given: 2)
        ) { try launch([address, .uint32(1)]) }
        #expect(
            throws: DeviceError.argumentKind(
                kernel: "affine", parameter: "factor", expected: "a uint32", given: "the int32 3")
        ) { try launch([address, .int32(3), .uint32(1)]) }
        #expect(
            throws: DeviceError.argumentKind(
                kernel: "affine", parameter: "data", expected: "an address of uint32 elements", given: "the uint64 64")
        ) { try launch([.uint64(64), .uint32(3), .uint32(1)]) }
        for blocks in [0, -1, Int(Int32.max) + 1, Int.min] {
            #expect(throws: DeviceError.blockCount(kernel: "affine", blocks: blocks)) {
                try launch([address, .uint32(3), .uint32(1)], blocks: blocks)
            }
        }
        try device.synchronize()
        #expect(try device.read(UInt32.self, count: 64, from: buffer) == [UInt32](repeating: 9, count: 64))
    }

    @Test("Wrong tensor maps and grids that clusters do not divide are refused", arguments: DeviceCase.all())
    func mapsAndClusters(_ test: DeviceCase) throws {
        let device = test.device
        let stream = try device.makeStream(label: "main")
        let kernel = try device.load(DeviceKernels.mapped())
        let buffer = try device.allocate(bytes: 4096, label: "tensor")
        func launch(blocks: Int, _ change: (inout TensorMap) -> Void = { _ in }) throws {
            var map = TensorMap(
                address: buffer.address, element: .bfloat16, dimensions: [64, 32], strides: [128], box: [64, 8],
                swizzle: .bytes128)
            change(&map)
            try device.launch(
                kernel, blocks: blocks, arguments: [.tensorMap(map)], dependentLaunch: false, on: stream)
        }
        try launch(blocks: 2)
        try device.synchronize(stream)
        #expect(throws: DeviceError.clusterSize(kernel: "mapped", blocks: 3, clusterSize: 2)) { try launch(blocks: 3) }
        for (change, problem) in [
            ({ $0.box = [128, 8] }, "128-byte swizzle"), ({ $0.box = [64, 257] }, "257"),
            ({ $0.strides = [120] }, "120"), ({ $0.address += 8 }, "multiple of 16"), ({ $0.dimensions = [64] }, "box"),
            ({ $0.element = .bool }, "bool"),
        ] as [((inout TensorMap) -> Void, String)] {
            do {
                try launch(blocks: 2, change)
                Issue.record("the map with a wrong \(problem) was accepted")
            } catch let error as DeviceError {
                #expect(error.description.contains("tensor map map of the kernel mapped"), "\(error)")
                #expect(error.description.contains(problem), "\(error)")
            }
        }
    }

    @Test("A kernel is prepared once, and handles belong to their device", arguments: DeviceCase.all())
    func handles(_ test: DeviceCase) throws {
        let device = test.device
        let kernel = try device.load(DeviceKernels.mapped())
        #expect(try device.load(DeviceKernels.mapped()).id == kernel.id)
        #expect(try device.blocksPerMultiprocessor(kernel) > 1)

        let other = SimulatedDevice(seed: 9, multiprocessors: 1)
        let foreign = try other.load(DeviceKernels.mapped())
        let stream = try device.makeStream(label: "main")
        let foreignStream = try other.makeStream(label: "foreign")
        let foreignEvent = try other.makeEvent()
        #expect(throws: DeviceError.unknownHandle(kind: .kernel, id: foreign.id)) {
            try device.launch(foreign, blocks: 2, arguments: [], dependentLaunch: false, on: stream)
        }
        #expect(throws: DeviceError.unknownHandle(kind: .stream, id: foreignStream.id)) {
            try device.synchronize(foreignStream)
        }
        #expect(throws: DeviceError.unknownHandle(kind: .event, id: foreignEvent.id)) {
            try device.record(foreignEvent, on: stream)
        }
        let foreignGraph = try other.capture(on: foreignStream) {}
        #expect(throws: DeviceError.unknownHandle(kind: .graph, id: foreignGraph.id)) {
            try device.replay(foreignGraph, on: stream)
        }
    }

    @Test("Kernels that ask for too much shared memory are refused", arguments: DeviceCase.all())
    func sharedMemory(_ test: DeviceCase) throws {
        var kernel = try DeviceKernels.mapped()
        kernel.sharedBytes = Kernel.maximumSharedBytes + 1
        #expect(throws: DeviceError.self) { try test.device.load(kernel) }
        let small = SimulatedDevice(
            configuration: .init(multiprocessors: 1, sharedBytesPerMultiprocessor: 64 * 1024))
        kernel.sharedBytes = 64 * 1024
        #expect(throws: DeviceError.sharedMemory(kernel: "mapped", bytes: 64 * 1024, limit: 63 * 1024)) {
            try small.load(kernel)
        }
    }
}
