import CUDADriver
import KernelLanguage
import PTX

/// A kernel that the driver has compiled.
struct CUDAKernel: Sendable {
    let function: Function
    let digest: KernelDigest

    /// A kernel with handles, and their number.
    struct Entry {
        let id: Int
        let kernel: CUDAKernel
        var handles = 0
    }
}

extension CUDADevice {
    /// See ``Device/load(_:)``.
    public func load(_ kernel: Kernel) throws -> LoadedKernel {
        let digest = kernel.digest
        if let known = handle(of: kernel, digest) { return known }
        try refuseDuringCapture(to: "load the kernel \(kernel.name)")
        return try loading.withLock { _ in
            if let known = handle(of: kernel, digest) { return known }
            let compiled = CUDAKernel(function: try compile(kernel), digest: digest)
            let id = newHandleNumber()
            tables.withLock { $0.loaded[digest] = CUDAKernel.Entry(id: id, kernel: compiled, handles: 1) }
            return LoadedKernel(id: id, kernel, .cuda(compiled, self))
        }
    }

    /// Another handle of a kernel that has some already; nil if it has none.
    private func handle(of kernel: Kernel, _ digest: KernelDigest) -> LoadedKernel? {
        let entry = tables.withLock { tables in
            tables.loaded[digest]?.handles += 1
            return tables.loaded[digest]
        }
        return entry.map { LoadedKernel(id: $0.id, kernel, .cuda($0.kernel, self)) }
    }

    /// The kernel that a handle of this device stands for. Throws `DeviceError.unknownHandle`.
    @inline(__always)
    private func own(_ handle: LoadedKernel) throws(DeviceError) -> Function {
        guard let kernel = handle.backing.on(self) else { throw .unknownHandle(kind: .kernel, id: handle.id) }
        return kernel.function
    }

    private func compile(_ kernel: Kernel) throws -> Function {
        do throws(VerificationError) {
            try kernel.verify()
        } catch {
            throw DeviceError.kernel(error)
        }
        guard kernel.sharedBytes <= properties.sharedBytesPerBlock else {
            throw DeviceError.sharedMemory(
                kernel: kernel.name, bytes: kernel.sharedBytes, limit: properties.sharedBytesPerBlock)
        }
        return try driverCall {
            let function = try module(kernel).function(kernel.name)
            if kernel.sharedBytes > 0 { try function.setMaxDynamicSharedBytes(kernel.sharedBytes) }
            return function
        }
    }

    private func module(_ kernel: Kernel) throws -> Module {
        guard kernel.needsNetwork else {
            let lines = KernelLines.areWanted
            return try Module(
                ptx: kernel.ptx(locations: lines ? .directives : .comments), context: context, lines: lines)
        }
        guard let linker = networkLinker.withLock({ $0 }) else {
            throw DeviceError.noNetworkAdapter(kernel: kernel.name, device: properties.name)
        }
        return try linker.load(kernel.ptx(), kernel: kernel.name, context: context)
    }

    /// See ``Device/launch(_:blocks:arguments:dependentLaunch:on:)``.
    public func launch(
        _ kernel: LoadedKernel, blocks: Int, arguments: [KernelArgument], dependentLaunch: Bool, on stream: DeviceStream
    ) throws {
        let (function, stream) = (try own(kernel), try own(stream))
        if isCapturing { note(kernel) }
        let kernel = kernel.kernel
        try kernel.checkLaunch(blocks: blocks, arguments: arguments)
        let configuration = LaunchConfiguration(
            grid: LaunchDimensions(blocks), block: LaunchDimensions(kernel.threads),
            dynamicSharedBytes: kernel.sharedBytes,
            cluster: kernel.clusterSize > 1 ? LaunchDimensions(kernel.clusterSize) : nil,
            programmaticDependentLaunch: dependentLaunch)
        try driverCall {
            try withPointers(arguments) { try stream.launch(function, configuration, pointers: $0) }
        }
    }

    /// See ``Device/blocksPerMultiprocessor(_:)``.
    public func blocksPerMultiprocessor(_ kernel: LoadedKernel) throws -> Int {
        let function = try own(kernel)
        return try driverCall {
            try function.blocksPerMultiprocessor(
                threadsPerBlock: kernel.kernel.threads, dynamicSharedBytes: kernel.kernel.sharedBytes)
        }
    }

    /// Calls `body` with the addresses of the arguments as the kernel reads them. Allocates nothing on the heap, as
    /// every launch calls it.
    private func withPointers<Result>(
        _ arguments: [KernelArgument], _ body: (UnsafeMutablePointer<UnsafeMutableRawPointer?>) throws -> Result
    ) throws -> Result {
        let maps = arguments.count { if case .tensorMap = $0 { true } else { false } }
        let (mapBytes, wordBytes) = (128, 8)
        return try withUnsafeTemporaryAllocation(
            byteCount: maps * mapBytes + (arguments.count + 1) * wordBytes, alignment: 64
        ) { storage in
            try withUnsafeTemporaryAllocation(
                of: UnsafeMutableRawPointer?.self, capacity: arguments.count + 1
            ) { pointers in
                // Tensor maps first, which need the alignment.
                var (map, word) = (0, maps * mapBytes)
                pointers.initialize(repeating: nil)
                for (index, argument) in arguments.enumerated() {
                    func put(_ value: UInt64) {
                        storage.storeBytes(of: value.littleEndian, toByteOffset: word, as: UInt64.self)
                        pointers[index] = storage.baseAddress.map { $0 + word }
                        word += wordBytes
                    }
                    switch argument {
                    case .uint32(let value): put(UInt64(value))
                    case .int32(let value): put(UInt64(UInt32(bitPattern: value)))
                    case .uint64(let value), .address(let value): put(value)
                    case .float32(let value): put(UInt64(value.bitPattern))
                    case .tensorMap(let value):
                        UnsafeMutableRawBufferPointer(rebasing: storage[map..<map + mapBytes])
                            .copyBytes(from: try encoded(value))
                        pointers[index] = storage.baseAddress.map { $0 + map }
                        map += mapBytes
                    }
                }
                guard let first = pointers.baseAddress else { preconditionFailure("there is room for one at least") }
                return try body(first)
            }
        }
    }

    /// The driver's form of a tensor map. Layers pass the same few maps again and again, so they are kept.
    private func encoded(_ map: KernelLanguage.TensorMap) throws -> [UInt8] {
        if let known = tables.withLock({ $0.tensorMaps[map] }) { return known }
        guard let layout = map.layout else { preconditionFailure("refused by `checkLaunch`") }
        let bytes = try CUDADriver.TensorMap(layout, address: map.address, context: context).bytes
        tables.withLock {
            if $0.tensorMaps.count >= CUDADevice.keptTensorMaps { $0.tensorMaps.removeAll() }
            $0.tensorMaps[map] = bytes
        }
        return bytes
    }

    private static let keptTensorMaps = 4096
}
