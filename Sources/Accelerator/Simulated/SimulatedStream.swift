import Simulator

/// A stream of the machine.
struct SimulatedStream: Sendable {
    let stream: StreamID
    /// The number by which errors name it.
    let id: Int
    /// The number by which it is adopted.
    let handle: UInt
    let label: String
    let rank: Int

    /// Whether it is the legacy default stream of its rank.
    var isLegacy: Bool { handle == SimulatedStream.legacyHandle }

    /// As CUDA numbers its default streams.
    static let legacyHandle: UInt = 1
    static let perThreadHandle: UInt = 2

    /// A stream with handles, and their number.
    struct Entry {
        let stream: SimulatedStream
        var handles: Int
    }

    /// A default stream: of a rank, or of a thread for a rank.
    struct Default: Hashable {
        let rank: Int
        let thread: UInt?
    }
}

extension SimulatedDevice {
    /// See ``Device/makeStream(label:rank:)``.
    public func makeStream(label: String, rank: Int) throws -> DeviceStream {
        let stream = try exclusively {
            let id = newHandleNumber()
            let handle = UInt(id) + SimulatedStream.perThreadHandle
            let stream = SimulatedStream(
                stream: machine.makeStream(label: label, rank: rank), id: id, handle: handle, label: label, rank: rank)
            streams[handle] = SimulatedStream.Entry(stream: stream, handles: 1)
            return stream
        }
        return DeviceStream(id: stream.id, .simulated(stream, self))
    }

    /// See ``Device/adopt(stream:label:rank:)``.
    public func adopt(stream handle: UInt, label: String, rank: Int) throws -> DeviceStream {
        let stream = try exclusively {
            switch handle {
            case 0, SimulatedStream.legacyHandle:
                return defaultStream(SimulatedStream.legacyHandle, .init(rank: rank, thread: nil), label: label)
            case SimulatedStream.perThreadHandle:
                return defaultStream(handle, .init(rank: rank, thread: currentThread()), label: label)
            default:
                guard let stream = streams[handle]?.stream else {
                    throw DeviceError.foreignStream(handle: handle, device: "the \(properties.name)")
                }
                streams[handle]?.handles += 1
                return stream
            }
        }
        return DeviceStream(id: stream.id, .simulated(stream, self))
    }

    private func defaultStream(_ handle: UInt, _ key: SimulatedStream.Default, label: String) -> SimulatedStream {
        if let known = defaultStreams[key] { return known }
        let stream = SimulatedStream(
            stream: machine.makeStream(label: label, rank: key.rank), id: newHandleNumber(), handle: handle,
            label: label, rank: key.rank)
        defaultStreams[key] = stream
        return stream
    }

    /// The stream that a handle of this device stands for. Throws `DeviceError.unknownHandle`.
    func own(_ handle: DeviceStream) throws(DeviceError) -> SimulatedStream {
        guard let stream = handle.backing.on(self) else { throw .unknownHandle(kind: .stream, id: handle.id) }
        return stream
    }
}
