import CUDADriver

/// Memory of the host to which a device copies in the order of a stream, so that the host can see results of work
/// without waiting for it.
public final class HostMemory: Sendable {
    /// Size in bytes.
    public let bytes: Int
    let backing: Backing<PinnedMemory, SimulatedHostMemory>

    init(bytes: Int, _ backing: Backing<PinnedMemory, SimulatedHostMemory>) {
        self.bytes = bytes
        self.backing = backing
    }

    private var memory: UnsafeMutableRawBufferPointer {
        switch backing {
        case .cuda(let memory, _): memory.bytes
        case .simulated(let memory, _): memory.bytes
        }
    }

    /// The word with this number, 0 until something has been copied; during a copy it may be of the one before.
    public subscript(word: Int) -> UInt64 { memory.load(fromByteOffset: word * 8, as: UInt64.self) }
}

extension HostMemory {
    /// Sets all bytes to zero; no copy may be under way.
    public func clear() { _ = memory.initializeMemory(as: UInt8.self, repeating: 0) }

    /// Throws `DeviceError.allocation` unless `bytes` is a multiple of 8, at least 8.
    static func check(_ bytes: Int) throws(DeviceError) {
        guard bytes >= 8, bytes % 8 == 0 else { throw .allocation(label: "memory of the host", bytes: bytes) }
    }
}

/// Host memory of the simulator.
final class SimulatedHostMemory: @unchecked Sendable {
    // Sendable: the pointer is a constant; users order their accesses to the bytes.
    let bytes: UnsafeMutableRawBufferPointer

    init(bytes: Int) {
        self.bytes = .allocate(byteCount: bytes, alignment: 16)
        self.bytes.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { bytes.deallocate() }
}
