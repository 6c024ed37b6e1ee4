import CUDADriver
import Testing

/// Each test runs on GPU 0, or, on a machine without the driver, expects the error that says so; see `withGPU`.
@Suite(.serialized) struct DeviceTests {
    @Test("A context describes a Hopper GPU, or says that the driver is missing")
    func context() throws {
        try withGPU { context in
            #expect(context.computeCapability == (9, 0))
            #expect(!context.name.isEmpty)
            #expect(context.multiprocessorCount > 0)
            #expect(context.l2Bytes > 1 << 20)
            #expect(context.memoryBytesPerSecond ?? 0 > 1_000_000_000_000)
            #expect(context.totalMemoryBytes > 1 << 30)
            #expect(context.maxSharedBytesPerBlock == 232_448)
            #expect(context.maxThreadsPerBlock == 1024)
            #expect(context.streamPriorities.contains(0))
            #expect(try context.freeMemoryBytes() <= context.totalMemoryBytes)
            let setAside = try context.setAsideL2(bytes: context.l2Bytes / 4)
            #expect(setAside >= min(context.l2Bytes / 4, context.maxSetAsideL2Bytes))
            #expect(try context.setAsideL2Bytes() == setAside)
            #expect(try context.setAsideL2(bytes: 0) <= setAside)
            #expect(try context.setAsideL2(bytes: Int.max) <= context.l2Bytes)
            #expect(throws: DriverError.self) { try context.setAsideL2(bytes: -1) }
            let count = try context.driver.deviceCount()
            #expect(throws: DriverError.noSuchDevice(ordinal: count, count: count)) { try Context(device: count) }
            #expect(throws: DriverError.noSuchDevice(ordinal: -1, count: count)) { try Context(device: -1) }
        }
    }

    @Test("Memory gives back what was copied and filled and refuses what lies outside, or the driver is missing")
    func memory() throws {
        try withGPU { context in
            let memory = try DeviceMemory(byteCount: 1024, context: context)
            #expect(memory.address % 256 == 0)
            try memory.fill(byte: 0xab)
            #expect(try memory.copyOut(UInt8.self, count: 1024) == [UInt8](repeating: 0xab, count: 1024))
            try memory.fill(word: 0xdead_beef, at: 512, byteCount: 256)
            try memory.copyIn([1, 2, 3] as [UInt32], at: 8)
            #expect(try memory.copyOut(UInt32.self, count: 3, at: 8) == [1, 2, 3])
            #expect(try memory.copyOut(UInt32.self, count: 2, at: 508) == [0xabab_abab, 0xdead_beef])
            #expect(throws: DriverError.self) { try memory.copyIn([1] as [UInt32], at: 1021) }
            #expect(throws: DriverError.self) { try memory.copyOut(UInt8.self, count: 1, at: -1) }
            #expect(throws: DriverError.self) { try memory.copyOut(UInt64.self, count: Int.max) }
            #expect(throws: DriverError.self) { try memory.fill(word: 0, at: 2) }
            #expect(throws: DriverError.self) { try memory.fill(byte: 0, at: 1025) }
            #expect(throws: DriverError.self) { try DeviceMemory(byteCount: 0, context: context) }
            #expect(throws: DriverError.self) { try DeviceMemory(byteCount: 1 << 50, context: context) }
            #expect(try memory.ipcHandle().bytes.contains { $0 != 0 })
        }
    }

    @Test("Copies on a stream move pinned memory in order, and events time them, or the driver is missing")
    func streams() throws {
        try withGPU { context in
            let stream = try Stream(context: context, priority: context.streamPriorities.lowerBound)
            let other = try Stream(context: context)
            let memory = try DeviceMemory(byteCount: 4096, context: context)
            let copy = try DeviceMemory(byteCount: 4096, context: context)
            let pinned = try PinnedMemory(byteCount: 4096, context: context)
            let start = try Event(context: context, timing: true)
            let end = try Event(context: context, timing: true)
            try pinned.write(Array(0..<1024) as [UInt32])
            try start.record(on: stream)
            try memory.copyIn(UnsafeRawBufferPointer(pinned.bytes), on: stream)
            try memory.fill(word: 7, byteCount: 16, on: stream)
            try memory.fill(byte: 1, at: 16, byteCount: 4, on: stream)
            try end.record(on: stream)
            try other.wait(for: end)
            try copy.copy(from: memory, byteCount: 4096, on: other)
            try copy.copyOut(pinned.bytes, on: other)
            try other.synchronize()
            #expect(try other.isDone() && stream.isDone() && end.isDone())
            #expect(try pinned.read(UInt32.self, count: 7) == [7, 7, 7, 7, 0x0101_0101, 5, 6])
            #expect(try pinned.read(UInt32.self, count: 1, at: 4092) == [1023])
            #expect(try end.milliseconds(since: start) >= 0)
            #expect(throws: DriverError.self) {
                try end.milliseconds(since: try Event(context: context))
            }
            #expect(throws: DriverError.self) { try Stream(context: context, priority: 1000) }
        }
    }

    @Test("Kernels compile from PTX, get their arguments and their cluster, or the driver is missing")
    func kernels() throws {
        try withGPU { context in
            let module = try Module(ptx: testKernels, context: context, verbose: true, lines: true)
            let add = try module.function("add")
            #expect(add.registers > 0 && add.localBytes == 0 && add.staticSharedBytes == 0)
            #expect(add.maxThreadsPerBlock == 1024)
            #expect(try add.blocksPerMultiprocessor(threadsPerBlock: 128) > 1)
            try add.setMaxDynamicSharedBytes(200_000)
            #expect(try add.maxDynamicSharedBytes() == 200_000)
            #expect(try add.blocksPerMultiprocessor(threadsPerBlock: 128, dynamicSharedBytes: 200_000) == 1)
            #expect(throws: DriverError.self) { try add.setMaxDynamicSharedBytes(232_449) }

            let stream = try Stream(context: context)
            let memory = try DeviceMemory(byteCount: 256 * 4, context: context)
            try memory.fill(byte: 0)
            let clusters = LaunchConfiguration(
                grid: LaunchDimensions(8), block: LaunchDimensions(32), dynamicSharedBytes: 100_000,
                cluster: LaunchDimensions(4), programmaticDependentLaunch: true)
            #expect(try add.activeClusters(clusters) > 0)
            try stream.launch(add, clusters, arguments: [memory.address.argument, UInt32(1000).argument])
            try stream.synchronize()
            #expect(try memory.copyOut(UInt32.self, count: 256) == (0..<256).map { 4 << 16 + 1000 + $0 })

            let echo = try module.function("echo")
            let block = (0..<32).map { UInt32($0 + 50).argument }.flatMap { $0 }
            try stream.launch(
                echo, LaunchConfiguration(grid: LaunchDimensions(1), block: LaunchDimensions(1)),
                arguments: [[3], block, memory.address.argument])
            try stream.synchronize()
            #expect(try memory.copyOut(UInt32.self, count: 4) == [53, 51, 52, 53])

            #expect(throws: DriverError.self) { try module.function("no_such_kernel") }
            do {
                _ = try Module(ptx: ".version 8.3\n.target sm_90a\n.address_size 64\nnonsense", context: context)
                Issue.record("nonsense was compiled")
            } catch DriverError.moduleRejected(_, let log) {
                #expect(log.contains("nonsense"))
            }
        }
    }

    @Test("A captured graph runs when launched and not before, or the driver is missing")
    func graphs() throws {
        try withGPU { context in
            let module = try Module(ptx: testKernels, context: context)
            let add = try module.function("add")
            let stream = try Stream(context: context)
            let memory = try DeviceMemory(byteCount: 32 * 4, context: context)
            try memory.fill(byte: 0)
            let configuration = LaunchConfiguration(grid: LaunchDimensions(1), block: LaunchDimensions(32))
            let arguments = [memory.address.argument, UInt32(5).argument]
            let graph = try Graph.capture(on: stream) {
                #expect(try stream.isCapturing())
                try stream.launch(add, configuration, arguments: arguments)
                try stream.launch(add, configuration, arguments: arguments)
            }
            #expect(try !stream.isCapturing())
            #expect(try graph.nodeCount() == 2)
            let executable = try graph.instantiate()
            try executable.upload(on: stream)
            try stream.synchronize()
            #expect(try memory.copyOut(UInt32.self, count: 1) == [0])
            for _ in 0..<3 { try executable.launch(on: stream) }
            try stream.synchronize()
            #expect(try memory.copyOut(UInt32.self, count: 32) == (0..<32).map { 6 * (1 << 16 + 5 + $0) })

            struct Stop: Error {}
            #expect(throws: Stop.self) { try Graph.capture(on: stream) { throw Stop() } }
            #expect(try !stream.isCapturing(), "a capture that threw is ended")
        }
    }

    @Test("The driver encodes a tensor map for each element and swizzle, or is missing")
    func tensorMaps() throws {
        try withGPU { context in
            let memory = try DeviceMemory(byteCount: 1 << 16, context: context)
            for element in TensorMapElement.allCases {
                for swizzle in TensorMapSwizzle.allCases {
                    let layout = TensorMapLayout(
                        element: element, dimensions: [256 / element.byteCount, 64], strides: [256],
                        box: [(swizzle.span ?? 128) / element.byteCount, 64], swizzle: swizzle)
                    let map = try TensorMap(layout, address: memory.address, context: context)
                    #expect(map.bytes.count == TensorMap.byteCount)
                    #expect(map.bytes.contains { $0 != 0 })
                }
            }
        }
    }

    @Test("Each call leaves the thread's own context as it was, or the driver is missing")
    func currentContext() throws {
        try withGPU { context in
            let functions = context.driver.functions
            func current() -> UnsafeMutableRawPointer? {
                var current: UnsafeMutableRawPointer?
                #expect(functions.cuCtxGetCurrent(&current) == 0)
                return current
            }
            let before = current()
            do {
                let stream = try Stream(context: context)
                let memory = try DeviceMemory(byteCount: 64, context: context)
                try memory.fill(byte: 1, on: stream)
                try stream.synchronize()
                #expect(current() == before)
                #expect(throws: DriverError.self) { try DeviceMemory(byteCount: 1 << 50, context: context) }
            }
            #expect(current() == before)
            // With the primary context current, as in a process that uses CUDA's runtime, it stays so.
            var primary: UnsafeMutableRawPointer?
            #expect(functions.cuDevicePrimaryCtxRetain(&primary, Int32(context.ordinal)) == 0)
            let handle = try #require(primary)
            #expect(functions.cuCtxPushCurrent(handle) == 0)
            _ = try DeviceMemory(byteCount: 64, context: context)
            #expect(current() == handle)
            var popped: UnsafeMutableRawPointer?
            #expect(functions.cuCtxPopCurrent(&popped) == 0 && popped == handle)
            #expect(functions.cuDevicePrimaryCtxRelease(Int32(context.ordinal)) == 0)
        }
    }

    @Test("Memory and streams of others are used where they are, or the driver is missing")
    func adoption() throws {
        try withGPU { context in
            let owner = try Stream(context: context)
            let adopted = try Stream(adopting: UInt(bitPattern: owner.handle), context: context)
            #expect(adopted.handle == owner.handle && adopted.priority == nil && !adopted.isLegacy)
            for handle in [0, Stream.legacyHandle, Stream.perThreadHandle] {
                let stream = try Stream(adopting: handle, context: context)
                #expect(stream.isLegacy == (handle < Stream.perThreadHandle))
                try stream.synchronize()
                #expect(try !stream.isCapturing())
            }
            let whole = try DeviceMemory(byteCount: 4 << 20, context: context)
            let part = try AdoptedMemory(address: whole.address + 4096, byteCount: 4096, context: context)
            try part.fill(byte: 5, on: adopted)
            try owner.synchronize()
            #expect(try whole.copyOut(UInt8.self, count: 2, at: 4095 + 4096).first == 5)
            #expect(throws: DriverError.self, "past the end") {
                try AdoptedMemory(address: whole.address + 4096, byteCount: 4 << 20, context: context)
            }
            let pinned = try PinnedMemory(byteCount: 4096, context: context)
            #expect(throws: DriverError.notDeviceMemory(address: pinned.deviceAddress)) {
                try AdoptedMemory(address: pinned.deviceAddress, byteCount: 64, context: context)
            }
            #expect(throws: DriverError.notDeviceMemory(address: 64)) {
                try AdoptedMemory(address: 64, byteCount: 64, context: context)
            }
            let again = try Context()
            let across = try Stream(adopting: UInt(bitPattern: owner.handle), context: again)
            try across.synchronize()
        }
    }
}
