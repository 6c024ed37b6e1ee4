import CUDADriver
import KernelLanguage
import PTX

extension CUDADevice {
    /// See ``Device/load(_:)``.
    public func load(_ kernel: Kernel) throws -> LoadedKernel {
        if let known = tables.withLock({ $0.loaded[kernel] }) { return known }
        try refuseDuringCapture(to: "load the kernel \(kernel.name)")
        return try loading.withLock { _ in
            if let known = tables.withLock({ $0.loaded[kernel] }) { return known }
            let function = try compile(kernel)
            return tables.withLock {
                let loaded = LoadedKernel(id: $0.kernels.insert(function), kernel: kernel, digest: kernel.digest)
                $0.loaded[kernel] = loaded
                return loaded
            }
        }
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
            let function = try Module(ptx: kernel.ptx(), context: context).function(kernel.name)
            if kernel.sharedBytes > 0 { try function.setMaxDynamicSharedBytes(kernel.sharedBytes) }
            return function
        }
    }

    /// See ``Device/launch(_:blocks:arguments:dependentLaunch:on:)``.
    public func launch(
        _ kernel: LoadedKernel, blocks: Int, arguments: [KernelArgument], dependentLaunch: Bool, on stream: DeviceStream
    ) throws {
        let (function, stream) = try tables.withLock {
            (try $0.kernels.find(kernel.id), try $0.streams.find(stream.id))
        }
        let kernel = kernel.kernel
        try kernel.checkLaunch(blocks: blocks, arguments: arguments)
        let configuration = LaunchConfiguration(
            grid: LaunchDimensions(blocks), block: LaunchDimensions(kernel.threads),
            dynamicSharedBytes: kernel.sharedBytes,
            cluster: kernel.clusterSize > 1 ? LaunchDimensions(kernel.clusterSize) : nil,
            programmaticDependentLaunch: dependentLaunch)
        try driverCall {
            try stream.launch(function, configuration, arguments: try arguments.map(bytes))
        }
    }

    /// See ``Device/blocksPerMultiprocessor(_:)``.
    public func blocksPerMultiprocessor(_ kernel: LoadedKernel) throws -> Int {
        let function = try tables.withLock { try $0.kernels.find(kernel.id) }
        return try driverCall {
            try function.blocksPerMultiprocessor(
                threadsPerBlock: kernel.kernel.threads, dynamicSharedBytes: kernel.kernel.sharedBytes)
        }
    }

    /// The bytes of an argument as the kernel reads them.
    private func bytes(_ argument: KernelArgument) throws -> [UInt8] {
        switch argument {
        case .uint32(let value): littleEndian(value)
        case .int32(let value): littleEndian(value)
        case .uint64(let value), .address(let value): littleEndian(value)
        case .float32(let value): littleEndian(value.bitPattern)
        case .tensorMap(let map): try encoded(map)
        }
    }

    private func littleEndian<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }

    /// The driver's form of a tensor map. Layers pass the same few maps again and again, so they are kept.
    private func encoded(_ map: KernelLanguage.TensorMap) throws -> [UInt8] {
        if let known = tables.withLock({ $0.tensorMaps[map] }) { return known }
        guard let layout = map.layout else { return [] }  // refused by `checkLaunch`
        let bytes = try CUDADriver.TensorMap(layout, address: map.address, context: context).bytes
        tables.withLock {
            if $0.tensorMaps.count >= CUDADevice.keptTensorMaps { $0.tensorMaps.removeAll() }
            $0.tensorMaps[map] = bytes
        }
        return bytes
    }

    private static let keptTensorMaps = 4096
}
