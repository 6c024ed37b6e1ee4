import Accelerator
import ExpertParallel
import Synchronization

/// A device, and its callers' streams.
final class DeviceObject {
    let device: any Device
    /// By callers' handles.
    private let streams = Mutex<[UInt64: DeviceStream]>([:])
    /// Streams that were made here, which `freeStream` releases.
    private let own = Mutex<Set<UInt64>>([])
    let scratch: StreamScratch

    init(_ device: any Device) {
        self.device = device
        scratch = StreamScratch(device)
    }

    /// A caller's stream.
    func stream(_ handle: UInt64) throws -> DeviceStream {
        if let known = streams.withLock({ $0[handle] }) { return known }
        let adopted = try device.adopt(stream: UInt(handle), label: "stream \(handle) of the caller")
        streams.withLock { $0[handle] = adopted }
        return adopted
    }

    func makeStream() throws -> UInt64 {
        let stream = try device.makeStream(label: "stream of the caller")
        let handle = UInt64(stream.handle)
        streams.withLock { $0[handle] = stream }
        _ = own.withLock { $0.insert(handle) }
        return handle
    }

    func freeStream(_ handle: UInt64) throws {
        guard own.withLock({ $0.remove(handle) }) != nil else {
            throw ABIError.noObject("stream of swiftep_stream_create", number: handle)
        }
        _ = streams.withLock { $0.removeValue(forKey: handle) }
    }
}

/// Memory that a caller holds.
final class MemoryObject {
    let buffer: DeviceBuffer

    init(_ buffer: DeviceBuffer) { self.buffer = buffer }
}

/// A captured graph.
final class GraphObject {
    let device: DeviceObject
    let graph: DeviceGraph

    init(_ device: DeviceObject, _ graph: DeviceGraph) {
        (self.device, self.graph) = (device, graph)
    }
}
