import KernelLanguage
import Simulator

/// A kernel that the simulator has decoded.
struct SimulatedKernel: Sendable {
    /// The kernel before it was rewritten.
    let kernel: Kernel
    let program: Program
    let digest: KernelDigest

    /// A kernel with handles, and their number.
    struct Entry {
        let id: Int
        let kernel: SimulatedKernel
        var handles: Int
    }
}

extension SimulatedDevice {
    /// See ``Device/load(_:)``.
    public func load(_ kernel: Kernel) throws -> LoadedKernel {
        let entry = try exclusively {
            if var known = loaded[kernel] {
                known.handles += 1
                loaded[kernel] = known
                return known
            }
            try refuseDuringCapture(to: "load the kernel \(kernel.name)")
            let entry = SimulatedKernel.Entry(id: newHandleNumber(), kernel: try decode(kernel), handles: 1)
            loaded[kernel] = entry
            return entry
        }
        return LoadedKernel(id: entry.id, kernel, .simulated(entry.kernel, self))
    }

    private func decode(_ kernel: Kernel) throws -> SimulatedKernel {
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
        return SimulatedKernel(kernel: kernel, program: program, digest: kernel.digest)
    }

    /// See ``Device/launch(_:blocks:arguments:dependentLaunch:on:)``.
    public func launch(
        _ kernel: LoadedKernel, blocks: Int, arguments: [KernelArgument], dependentLaunch: Bool, on stream: DeviceStream
    ) throws {
        let (own, stream) = (try own(kernel), try self.own(stream))
        try kernel.kernel.checkLaunch(blocks: blocks, arguments: arguments)
        try exclusively {
            try enqueue(
                .launch(kernel, own, blocks: blocks, arguments: arguments, dependentLaunch: dependentLaunch), on: stream
            )
        }
    }

    /// See ``Device/blocksPerMultiprocessor(_:)``.
    public func blocksPerMultiprocessor(_ kernel: LoadedKernel) throws -> Int {
        _ = try own(kernel)
        // As the machine counts: each resident block takes 1 KB more than it asks for. It has no register limit.
        return min(
            configuration.blocksPerMultiprocessor,
            configuration.threadsPerMultiprocessor / max(kernel.kernel.threads, 1),
            configuration.sharedBytesPerMultiprocessor / (kernel.kernel.sharedBytes + 1024))
    }

    /// The kernel that a handle of this device stands for. Throws `DeviceError.unknownHandle`.
    private func own(_ handle: LoadedKernel) throws(DeviceError) -> SimulatedKernel {
        guard let kernel = handle.backing.on(self) else { throw .unknownHandle(kind: .kernel, id: handle.id) }
        return kernel
    }
}
