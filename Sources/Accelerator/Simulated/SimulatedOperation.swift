import KernelLanguage
import Simulator

/// Work for a stream of the simulated machine, enqueued at once or recorded by a capture.
enum SimulatedOperation {
    case launch(LoadedKernel, SimulatedKernel, blocks: Int, arguments: [KernelArgument], dependentLaunch: Bool)
    case fill(address: UInt64, bytes: Int, value: UInt8)
    case copy(from: UInt64, to: UInt64, bytes: Int)
    case copyOut(from: UInt64, to: SimulatedHostMemory)
}

extension SimulatedDevice {
    /// Enqueues or, when the stream is being captured, records an operation. Call under the lock.
    func enqueue(_ operation: SimulatedOperation, on stream: SimulatedStream) throws {
        if let capture = activeCapture(of: stream) {
            capture.append(operation, on: stream)
        } else {
            try run(operation, on: stream.stream)
            busyStreams.insert(stream.stream)
        }
    }

    /// Puts an operation into a stream of the machine. Call under the lock.
    func run(_ operation: SimulatedOperation, on stream: StreamID, alone: Bool = false) throws {
        switch operation {
        case .launch(_, let kernel, let blocks, let arguments, let dependentLaunch):
            launched[kernel.digest] = kernel.kernel
            try machine.enqueueLaunch(
                kernel.program, grid: blocks, arguments: arguments, dependentLaunch: dependentLaunch && !alone,
                label: kernel.kernel.name, on: stream)
        case .fill(let address, let bytes, let value):
            machine.enqueueHostWork(on: stream) { [unowned machine] in
                try machine.fill(bytes: bytes, value: value, at: address)
            }
        case .copyOut(let from, let to):
            machine.enqueueHostWork(on: stream) { [unowned machine] in
                try machine.read(into: to.bytes, from: from)
            }
        case .copy(let from, let to, let bytes):
            machine.enqueueHostWork(on: stream) { [unowned machine] in
                let bounce = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 16)
                defer { bounce.deallocate() }
                try machine.read(into: bounce, from: from)
                try machine.write(UnsafeRawBufferPointer(bounce), at: to)
            }
        }
    }
}
