import CUDADriver
import Synchronization

extension CUDADevice {
    /// See ``Device/makeStream(label:rank:)``. On a GPU the rank makes no difference.
    public func makeStream(label: String, rank: Int) throws -> DeviceStream {
        handle(of: try driverCall { try CUDADriver.Stream(context: context) })
    }

    /// See ``Device/adopt(stream:label:rank:)``.
    public func adopt(stream handle: UInt, label: String, rank: Int) throws -> DeviceStream {
        do {
            return self.handle(of: try driverCall { try CUDADriver.Stream(adopting: handle, context: context) })
        } catch DeviceError.driver(.foreignStream) {
            throw DeviceError.foreignStream(handle: handle, device: "GPU \(context.ordinal), \(properties.name)")
        }
    }

    private func handle(of stream: CUDADriver.Stream) -> DeviceStream {
        let id = newHandleNumber()
        tables.withLock { $0.streams[id] = stream }
        return DeviceStream(id: id, .cuda(stream, self))
    }

    /// The stream that a handle of this device stands for. Throws `DeviceError.unknownHandle`.
    @inline(__always)
    func own(_ handle: DeviceStream) throws(DeviceError) -> CUDADriver.Stream {
        guard let stream = handle.backing.on(self) else { throw .unknownHandle(kind: .stream, id: handle.id) }
        return stream
    }

    /// See ``Device/synchronize(_:)``.
    public func synchronize(_ stream: DeviceStream) throws {
        let found = try own(stream)
        try refuseDuringCapture(to: "wait for the stream \(stream.id)")
        try driverCall { try found.synchronize() }
    }

    /// See ``Device/synchronize()``.
    public func synchronize() throws {
        try refuseDuringCapture(to: "wait for the device")
        try driverCall { try settle() }
    }
}
