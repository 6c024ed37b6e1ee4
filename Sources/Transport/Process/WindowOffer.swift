import Accelerator

/// A window of a rank as another process gets it: its size and its handle. A descriptor travels beside it.
struct WindowOffer {
    let bytes: Int
    /// The handle; nil for a descriptor.
    let handle: SharedMemoryHandle?

    private enum Kind: UInt8 { case descriptor, legacyIPC, fabric }

    init(_ buffer: DeviceBuffer, _ handle: SharedMemoryHandle) {
        bytes = buffer.bytes
        if case .fileDescriptor = handle { self.handle = nil } else { self.handle = handle }
    }

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(UInt64(self.bytes))
        switch handle {
        case .legacyIPC(let handle): return bytes + [Kind.legacyIPC.rawValue] + handle
        case .fabric(let handle): return bytes + [Kind.fabric.rawValue] + handle
        case .fileDescriptor, nil: return bytes + [Kind.descriptor.rawValue]
        }
    }

    init?(encoded bytes: [UInt8]) {
        guard bytes.count >= 9, let kind = Kind(rawValue: bytes[8]) else { return nil }
        self.bytes = Int(truncatingIfNeeded: bytes.number(UInt64.self, at: 0))
        let rest = Array(bytes[9...])
        switch kind {
        case .descriptor: handle = nil
        case .legacyIPC: handle = .legacyIPC(rest)
        case .fabric: handle = .fabric(rest)
        }
        guard self.bytes > 0 else { return nil }
    }
}
