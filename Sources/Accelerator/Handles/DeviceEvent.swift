/// An event of a device: marks a point of a stream, for others to wait for. Freed with the last reference; waits that
/// are enqueued stay.
public final class DeviceEvent: Sendable {
    /// Number by which errors name the event.
    public let id: Int
    let backing: Backing<CUDAEvent, SimulatedEvent>

    init(id: Int, _ backing: Backing<CUDAEvent, SimulatedEvent>) {
        self.id = id
        self.backing = backing
    }

    deinit {
        switch backing {
        case .cuda(let event, let device): device.release(event.event)
        case .simulated(let event, let device): device.release([.event(event.event)])
        }
    }
}
