import Simulator

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

extension SimulatedDevice {
    /// See ``Device/allocateShareable(bytes:label:across:)``. It is a file in memory, zero at first, and all of it
    /// counts as initialised, as others may write to it. Simulators share on one machine alone.
    public func allocateShareable(bytes: Int, label: String, across reach: SharingReach) throws -> DeviceBuffer {
        guard bytes > 0 else { throw DeviceError.allocation(label: label, bytes: bytes) }
        return try map(try SharedFile(bytes: bytes), bytes: bytes, label: label, isOwn: true)
    }

    /// See ``Device/export(_:)``. The handle is a descriptor.
    public func export(_ buffer: DeviceBuffer) throws -> SharedMemoryHandle {
        _ = try buffer.locate(buffer.bytes, at: 0, on: self)
        guard case .shared(let address, let mapping, isOwn: true)? = buffer.backing.on(self)?.kind,
            address == buffer.address, mapping.memory.count == buffer.bytes
        else { throw DeviceError.notShareable(label: buffer.label, address: buffer.address) }
        return .fileDescriptor(try mapping.file.descriptor.duplicate())
    }

    /// See ``Device/open(_:bytes:label:)``. The handle must be a descriptor, of which this makes its own.
    public func open(_ handle: SharedMemoryHandle, bytes: Int, label: String) throws -> DeviceBuffer {
        guard bytes > 0 else { throw DeviceError.allocation(label: label, bytes: bytes) }
        guard case .fileDescriptor(let descriptor) = handle else {
            throw DeviceError.handleKind(label: label, handle.kind, device: properties.name)
        }
        let file = try SharedFile(descriptor.duplicate())
        guard bytes <= file.bytes else {
            throw DeviceError.sharedSize(label: label, bytes: bytes, available: file.bytes)
        }
        return try map(file, bytes: bytes, label: label, isOwn: false)
    }

    /// A file that the device has mapped already is the same memory at another address: all of its addresses share its
    /// state and what a judge knows of it.
    private func map(_ file: SharedFile, bytes: Int, label: String, isOwn: Bool) throws -> DeviceBuffer {
        let (address, mapping) = try exclusively {
            try refuseDuringCapture(to: isOwn ? "allocate the buffer \(label)" : "open the buffer \(label)")
            if let known = sharedFiles[file.identity] {
                guard bytes <= known.mapping.memory.count else {
                    // It has grown since.
                    throw DeviceError.sharedSize(label: label, bytes: bytes, available: known.mapping.memory.count)
                }
                let address = try machine.alias(of: known.addresses[0], bytes: bytes, label: label)
                sharedFiles[file.identity]?.addresses.append(address)
                return (address, known.mapping)
            }
            let mapping = try SharedMapping(file)
            let whole = try machine.adopt(mapping.memory, label: label)
            let address = bytes == file.bytes ? whole : try machine.alias(of: whole, bytes: bytes, label: label)
            if address != whole { try machine.free(whole) }
            sharedFiles[file.identity] = SharedUse(mapping: mapping, addresses: [address])
            return (address, mapping)
        }
        return buffer(.shared(address, mapping, isOwn: isOwn), address, bytes, label)
    }

    /// Removes the address of a freed buffer of the file. Call under the lock.
    func forget(_ address: UInt64, of file: FileIdentity) {
        sharedFiles[file]?.addresses.removeAll { $0 == address }
        if sharedFiles[file]?.addresses.isEmpty ?? false { sharedFiles[file] = nil }
    }

    /// See ``Device/canReach(uniqueID:)``. Simulators reach each other through memory of the host.
    public func canReach(uniqueID: String) throws -> Bool { uniqueID.hasPrefix(Self.idPrefix) }

    private static let idPrefix = "simulator "

    /// The identifier of this process's simulators, which those of other processes do not have.
    static var uniqueID: String { "\(idPrefix)\(getpid())" }
}
