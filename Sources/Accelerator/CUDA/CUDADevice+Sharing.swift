import CUDADriver

extension CUDADevice {
    /// See ``Device/allocateShareable(bytes:label:across:)``. It is exported by a descriptor where the driver allows
    /// that, and by an older handle otherwise. It takes a multiple of 2 MiB.
    public func allocateShareable(bytes: Int, label: String, across reach: SharingReach) throws -> DeviceBuffer {
        guard bytes > 0 else { throw DeviceError.allocation(label: label, bytes: bytes) }
        try refuseDuringCapture(to: "allocate the buffer \(label)")
        let memory = try driverCall {
            try ShareableMemory(byteCount: bytes, fabric: reach == .fabric, context: context)
        }
        return buffer(memory, label: label)
    }

    /// See ``Device/export(_:)``.
    public func export(_ buffer: DeviceBuffer) throws -> SharedMemoryHandle {
        let (region, start) = try buffer.locate(buffer.bytes, at: 0, on: self)
        guard let memory = region as? ShareableMemory, start == 0, memory.byteCount == buffer.bytes
        else {
            throw DeviceError.notShareable(label: buffer.label, address: buffer.address)
        }
        return switch try driverCall({ try memory.handle() }) {
        case .descriptor(let number): .fileDescriptor(FileDescriptor(owning: number))
        case .legacy(let handle): .legacyIPC(handle.bytes)
        case .fabric(let bytes): .fabric(bytes)
        }
    }

    /// See ``Device/open(_:bytes:label:)``.
    public func open(_ handle: SharedMemoryHandle, bytes: Int, label: String) throws -> DeviceBuffer {
        guard bytes > 0 else { throw DeviceError.allocation(label: label, bytes: bytes) }
        try refuseDuringCapture(to: "open the buffer \(label)")
        let region: any DeviceRegion = try driverCall {
            switch handle {
            case .fileDescriptor(let descriptor):
                try MappedMemory(
                    PhysicalMemory(descriptor: descriptor.number, byteCount: bytes, context: context),
                    byteCount: bytes)
            case .fabric(let handle):
                try MappedMemory(
                    PhysicalMemory(fabricHandle: handle, byteCount: bytes, context: context), byteCount: bytes)
            case .legacyIPC(let handle):
                try ImportedMemory(IPCHandle(bytes: handle), byteCount: bytes, context: context)
            }
        }
        return buffer(region, label: label)
    }

    /// See ``Device/canReach(uniqueID:)``.
    public func canReach(uniqueID: String) throws -> Bool {
        try driverCall { try context.canReach(uniqueID: uniqueID) }
    }
}
