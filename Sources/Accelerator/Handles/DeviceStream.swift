import CUDADriver

/// A stream of a device: its work runs in order. When the last reference goes, a stream that the device made is freed,
/// and its enqueued work still completes; an adopted one is left to its owner.
public final class DeviceStream: Sendable {
    /// Number by which errors name the stream.
    public let id: Int
    let backing: Backing<CUDADriver.Stream, SimulatedStream>

    init(id: Int, _ backing: Backing<CUDADriver.Stream, SimulatedStream>) {
        self.id = id
        self.backing = backing
    }

    deinit {
        switch backing {
        case .cuda(let stream, let device): device.release(stream, id: id)
        case .simulated(let stream, let device): device.release([.stream(stream)])
        }
    }

    /// The stream as ``Device/adopt(stream:label:rank:)`` and other libraries take it: on a GPU the `CUstream`. Valid
    /// as long as this object.
    public var handle: UInt {
        switch backing {
        case .cuda(let stream, _): UInt(bitPattern: stream.handle)
        case .simulated(let stream, _): stream.handle
        }
    }
}

extension DeviceStream: Hashable {
    /// Whether both are one stream of one device. A stream made elsewhere and adopted twice counts as two.
    public static func == (first: DeviceStream, second: DeviceStream) -> Bool { first.id == second.id }

    /// See `Hashable`.
    public func hash(into hasher: inout Hasher) { hasher.combine(id) }
}
