import KernelLanguage
import Simulator

extension SimulatedDevice {
    /// See ``Device/load(_:)``.
    public func load(_ kernel: Kernel) throws -> LoadedKernel {
        try exclusively {
            if let known = loaded[kernel] { return known }
            try refuseDuringCapture(to: "load the kernel \(kernel.name)")
            let program: Program
            do throws(VerificationError) {
                program = try Program(rewrite(kernel))
            } catch {
                throw DeviceError.kernel(error)
            }
            guard kernel.sharedBytes <= properties.sharedBytesPerBlock else {
                throw DeviceError.sharedMemory(
                    kernel: kernel.name, bytes: kernel.sharedBytes, limit: properties.sharedBytesPerBlock)
            }
            let result = LoadedKernel(id: kernels.insert(program), kernel: kernel, digest: kernel.digest)
            loaded[kernel] = result
            return result
        }
    }

    /// See ``Device/launch(_:blocks:arguments:dependentLaunch:on:)``.
    public func launch(
        _ kernel: LoadedKernel, blocks: Int, arguments: [KernelArgument], dependentLaunch: Bool, on stream: DeviceStream
    ) throws {
        try exclusively {
            let program = try kernels.find(kernel.id)
            try kernel.kernel.checkLaunch(blocks: blocks, arguments: arguments)
            try enqueue(
                .launch(kernel, program, blocks: blocks, arguments: arguments, dependentLaunch: dependentLaunch),
                on: stream)
        }
    }

    /// See ``Device/blocksPerMultiprocessor(_:)``.
    public func blocksPerMultiprocessor(_ kernel: LoadedKernel) throws -> Int {
        try exclusively {
            _ = try kernels.find(kernel.id)
            // As the machine counts: each resident block takes 1 KB more than it asks for. It has no register limit.
            return min(
                configuration.blocksPerMultiprocessor,
                configuration.threadsPerMultiprocessor / max(kernel.kernel.threads, 1),
                configuration.sharedBytesPerMultiprocessor / (kernel.kernel.sharedBytes + 1024))
        }
    }
}
