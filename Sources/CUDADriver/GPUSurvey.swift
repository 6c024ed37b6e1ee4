/// Properties of a GPU that the driver tells without a context on it, whatever its compute capability.
package struct GPUSurvey: Hashable, Sendable {
    /// The GPU's number in this process, from 0.
    package let ordinal: Int
    /// The GPU's name.
    package let name: String
    /// Its compute capability: `major.minor`.
    package let major, minor: Int
    /// The number of streaming multiprocessors.
    package let multiprocessors: Int
    /// Bytes of its memory.
    package let memoryBytes: Int
    /// Whether kernels of several processes run side by side on it, under the Multi-Process Service.
    package let sharesContexts: Bool
    /// Whether memory can be handed to other processes by descriptors.
    package let sharesMemory: Bool
    /// Its access to each GPU's memory, by that GPU's number; `itself` at its own.
    package let peers: [Peer]

    /// A GPU's access to another one's memory.
    package enum Peer: String, Hashable, Sendable {
        case itself
        /// No access.
        case none
        /// Access without atomic operations, as through PCI Express.
        case access
        /// Access with atomic operations, as over NVLink.
        case atomics
    }
}

extension Driver {
    /// All GPUs that this process sees. Throws `DriverError.callFailed`.
    package func survey() throws -> [GPUSurvey] {
        let devices = try (0..<deviceCount()).map { ordinal in
            var device: Int32 = 0
            try call("cuDeviceGet", "looking for GPU \(ordinal)") { $0.cuDeviceGet(&device, Int32(ordinal)) }
            return device
        }
        return try devices.enumerated().map { ordinal, device in
            func attribute(_ attribute: DeviceAttribute) -> Bool { self.attribute(attribute.rawValue, of: device) == 1 }
            var memoryBytes = 0
            try call("cuDeviceTotalMem_v2", "asking GPU \(ordinal) for the size of its memory") {
                $0.cuDeviceTotalMem(&memoryBytes, device)
            }
            return GPUSurvey(
                ordinal: ordinal, name: try name(of: device, ordinal: ordinal),
                major: self.attribute(75, of: device), minor: self.attribute(76, of: device),
                multiprocessors: self.attribute(16, of: device), memoryBytes: memoryBytes,
                sharesContexts: attribute(.multiProcessService),
                sharesMemory: attribute(.virtualMemory) && attribute(.descriptorHandles),
                peers: devices.map { access(from: device, to: $0) })
        }
    }

    /// An attribute of a GPU; 0 where the driver does not know of it.
    private func attribute(_ number: Int32, of device: Int32) -> Int {
        var value: Int32 = 0
        return functions.cuDeviceGetAttribute(&value, number, device) == ResultCode.success ? Int(value) : 0
    }

    private func access(from device: Int32, to peer: Int32) -> GPUSurvey.Peer {
        if device == peer { return .itself }
        func has(_ attribute: Int32) -> Bool {
            var value: Int32 = 0
            return functions.cuDeviceGetP2PAttribute(&value, attribute, device, peer) == ResultCode.success
                && value != 0
        }
        // CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED and _ACCESS_SUPPORTED.
        return has(3) ? .atomics : has(2) ? .access : .none
    }

    /// A GPU's name. Throws `DriverError.callFailed`.
    func name(of device: Int32, ordinal: Int) throws -> String {
        var text = [CChar](repeating: 0, count: 256)
        try call("cuDeviceGetName", "asking GPU \(ordinal) for its name") {
            $0.cuDeviceGetName(&text, Int32(text.count), device)
        }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
