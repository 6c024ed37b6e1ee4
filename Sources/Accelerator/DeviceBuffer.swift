import CUDADriver

/// A stretch of device memory; freed when the last reference to it and its parts goes.
public final class DeviceBuffer: Sendable {
    /// Address of the first byte on the device.
    public let address: UInt64
    /// Size in bytes.
    public let bytes: Int
    /// Its purpose, as errors name it.
    public let label: String
    private let allocation: DeviceAllocation
    /// The memory behind the buffer and its parts.
    var backing: Backing<any DeviceRegion, SimulatedAllocation> { allocation.backing }

    init(address: UInt64, bytes: Int, label: String, _ allocation: DeviceAllocation) {
        self.address = address
        self.bytes = bytes
        self.label = label
        self.allocation = allocation
    }

    /// `bytes` bytes from `offset` on, which must lie inside. The part keeps the whole.
    public func part(_ label: String, offset: Int, bytes: Int) -> DeviceBuffer {
        precondition(offset >= 0 && bytes >= 0 && offset + bytes <= self.bytes, "\(label) is no part of \(self.label)")
        return DeviceBuffer(address: address + UInt64(offset), bytes: bytes, label: label, allocation)
    }

    /// The address of `bytes` bytes at `offset`. Throws `DeviceError.bufferRange` unless they lie inside.
    func address(of bytes: Int, at offset: Int) throws(DeviceError) -> UInt64 {
        guard offset >= 0, bytes >= 0, bytes <= self.bytes, offset <= self.bytes - bytes else {
            throw .bufferRange(label: label, offset: offset, bytes: bytes, size: self.bytes)
        }
        return address + UInt64(offset)
    }

    /// The region that holds `bytes` bytes at `offset`, and where they start in it. Throws `DeviceError.bufferRange` or
    /// `.foreignBuffer`.
    func locate(_ bytes: Int, at offset: Int, on device: CUDADevice) throws(DeviceError) -> (any DeviceRegion, Int) {
        let start = try address(of: bytes, at: offset)
        guard let region = allocation.backing.on(device) else { throw .foreignBuffer(label: label, address: address) }
        return (region, Int(start - region.address))
    }

    /// The address of `bytes` bytes at `offset`. Throws `DeviceError.bufferRange` or `.foreignBuffer`.
    func locate(_ bytes: Int, at offset: Int, on device: SimulatedDevice) throws(DeviceError) -> UInt64 {
        let start = try address(of: bytes, at: offset)
        guard allocation.backing.on(device) != nil else { throw .foreignBuffer(label: label, address: address) }
        return start
    }
}

/// The allocation that a buffer and its parts share.
final class DeviceAllocation: Sendable {
    let backing: Backing<any DeviceRegion, SimulatedAllocation>

    init(_ backing: Backing<any DeviceRegion, SimulatedAllocation>) { self.backing = backing }

    deinit {
        switch backing {
        case .cuda(let region, let device): device.release(region)
        case .simulated(let allocation, let device): device.release([.memory(allocation)])
        }
    }
}
