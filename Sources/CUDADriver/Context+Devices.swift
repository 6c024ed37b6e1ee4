/// Attributes of a GPU that are not read when a context is made: `CUdevice_attribute`.
package enum DeviceAttribute: Int32, Sendable {
    case virtualMemory = 102
    case descriptorHandles = 103
    case virtualMemoryRDMA = 110
    /// Whether kernels see writes of network cards in order: 100 and more if those on this GPU do.
    case remoteWriteOrdering = 118
    case fabricHandles = 128
    case multiProcessService = 133
}

extension Context {
    /// An attribute of the GPU; 0 where the driver does not know of it. Throws `DriverError.callFailed`.
    package func attribute(_ attribute: DeviceAttribute) throws -> Int {
        var value: Int32 = 0
        let known = try query(
            "cuDeviceGetAttribute", "asking GPU \(ordinal) for attribute \(attribute.rawValue)",
            no: ResultCode.invalidValue
        ) { $0.cuDeviceGetAttribute(&value, attribute.rawValue, device) }
        return known ? Int(value) : 0
    }

    /// The virtual memory management functions. Throws `DriverError.invalidArgument` where the driver lacks them.
    func virtualMemory() throws -> VirtualMemoryFunctions {
        guard let functions = driver.functions.virtualMemory else {
            throw DriverError.invalidArgument(
                "This NVIDIA driver cannot share memory by descriptors; install a newer one.")
        }
        return functions
    }

    /// Whether kernels on this GPU can use memory of the GPU with this UUID, of 32 hexadecimal digits; its own it can.
    /// A GPU that this process does not see cannot be reached. Throws `DriverError.callFailed`.
    package func canReach(uniqueID: String) throws -> Bool {
        if uniqueID == self.uniqueID { return true }
        for other in 0..<(try driver.deviceCount()) {
            var peer: Int32 = 0
            try driver.call("cuDeviceGet", "looking for GPU \(other)") { $0.cuDeviceGet(&peer, Int32(other)) }
            guard try driver.uniqueID(of: peer) == uniqueID else { continue }
            var answer: Int32 = 0
            let found = peer
            try driver.call("cuDeviceCanAccessPeer", "asking whether GPU \(ordinal) reaches GPU \(other)") {
                $0.cuDeviceCanAccessPeer(&answer, device, found)
            }
            return answer != 0
        }
        return false
    }
}

extension Driver {
    /// The UUID of a device as 32 hexadecimal digits. Throws `DriverError.callFailed`.
    func uniqueID(of device: Int32) throws -> String {
        var bytes = [UInt8](repeating: 0, count: 16)
        try call("cuDeviceGetUuid", "asking a GPU for its UUID") { $0.cuDeviceGetUuid(&bytes, device) }
        return bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
