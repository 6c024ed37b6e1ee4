import CUDADriver
import KernelLanguage
import Simulator

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Why a device refused a call, or what went wrong under it.
public enum DeviceError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The handle was not made by this device.
    case unknownHandle(kind: HandleKind, id: Int)
    /// The buffer was not made by this device.
    case foreignBuffer(label: String, address: UInt64)
    /// Memory of the host that another device made.
    case foreignHostMemory(bytes: Int)
    /// The bytes `offset ..< offset + bytes` do not lie inside the buffer, which has `size` bytes.
    case bufferRange(label: String, offset: Int, bytes: Int, size: Int)
    /// An allocation of fewer than 1 byte.
    case allocation(label: String, bytes: Int)
    /// The bytes to be adopted are not all memory of this device.
    case notDeviceMemory(label: String, address: UInt64, bytes: Int)
    /// Memory of the host to be adopted by the simulator that does not start at a multiple of 16.
    case hostAlignment(label: String, address: UInt64)
    /// Memory of the host to be adopted by the simulator that is partly adopted already.
    case adoptedInPart(label: String, address: UInt64, bytes: Int)
    /// The buffer is not the whole of memory that this device allocated to be shared.
    case notShareable(label: String, address: UInt64)
    /// A handle of shared memory that this kind of device cannot open.
    case handleKind(label: String, SharedMemoryHandle.Kind, device: String)
    /// More bytes of shared memory than there are.
    case sharedSize(label: String, bytes: Int, available: Int)
    /// A call of the operating system failed, with this `errno`.
    case systemCall(String, code: Int32, activity: String)
    /// The stream to be adopted belongs to another device.
    case foreignStream(handle: UInt, device: String)
    /// Fewer than 0 bytes that the L2 is to keep.
    case keptBytes(Int)
    /// The kernel has not passed verification.
    case kernel(VerificationError)
    /// A kernel that needs more shared memory than a block can have.
    case sharedMemory(kernel: String, bytes: Int, limit: Int)
    /// A kernel with network operations, on a device without a network adapter.
    case noNetworkAdapter(kernel: String, device: String)
    /// Not one argument for each parameter.
    case argumentCount(kernel: String, parameters: [String], given: Int)
    /// An argument of another kind than its parameter.
    case argumentKind(kernel: String, parameter: String, expected: String, given: String)
    /// A tensor map that breaks a rule of the hardware.
    case tensorMap(kernel: String, parameter: String, TensorMapError)
    /// A tensor map of elements that do not exist in memory.
    case tensorMapElement(kernel: String, parameter: String, ScalarType)
    /// Fewer than one block, or more than a grid can have.
    case blockCount(kernel: String, blocks: Int)
    /// The clusters do not divide the grid.
    case clusterSize(kernel: String, blocks: Int, clusterSize: Int)
    /// Something that is not possible because of a capture.
    case capture(CaptureMisuse)
    /// The event has no time: it was never recorded, or last as a part of a capture.
    case eventNotRecorded(id: Int)
    /// The event's point has not been reached.
    case eventNotComplete(id: Int)
    /// The CUDA driver failed.
    case driver(DriverError)
    /// The simulated machine failed.
    case simulation(SimulationError)

    /// What a handle stands for.
    public enum HandleKind: String, Hashable, Sendable {
        case stream, event, kernel, graph
    }

    /// How a capture was misused.
    public enum CaptureMisuse: Hashable, Sendable {
        /// A call that neither runs at once nor can be recorded, made by the thread that captures.
        case operation(String)
        /// A capture inside a capture.
        case nested
        /// Captured work was to wait for an event recorded outside of the capture.
        case outsideEvent(event: Int)
        /// The stream took part in the capture and was not joined to the captured stream at its end.
        case notJoined(stream: Int)
        /// The legacy default stream, which cannot be captured.
        case legacyStream
        /// The captured stream was left by an event of another capture.
        case otherCapture(stream: Int)
    }

    /// One sentence that names the value, the limit and the remedy.
    public var description: String {
        switch self {
        case .unknownHandle(let kind, let id):
            return "There is no \(kind.rawValue) \(id) on this device; use handles only with the device that made them."
        case .foreignBuffer(let label, let address):
            return "The buffer \(label) at 0x\(String(address, radix: 16)) was not made by this device; use buffers "
                + "only with the device that made them."
        case .foreignHostMemory(let bytes):
            return "the \(bytes) bytes of the host were made by another device; use those of this one"
        case .bufferRange(let label, let offset, let bytes, let size):
            return
                "\(bytes) bytes at offset \(offset) do not lie inside the buffer \(label) of \(size) bytes; choose an "
                + "offset and a count whose sum is at most \(size)."
        case .allocation(let label, let bytes):
            return "The buffer \(label) cannot have \(bytes) bytes; ask for at least 1 byte."
        case .notDeviceMemory(let label, let address, let bytes):
            return
                "The \(bytes) bytes of \(label) at 0x\(String(address, radix: 16)) are not all memory of this device; "
                + "adopt memory that is allocated on it, and no more of it than there is."
        case .hostAlignment(let label, let address):
            return "The memory of \(label) starts at 0x\(String(address, radix: 16)), which is no multiple of 16, as "
                + "kernels need it; allocate it with that alignment."
        case .adoptedInPart(let label, let address, let bytes):
            return "Some of the \(bytes) bytes of \(label) at 0x\(String(address, radix: 16)) are adopted already, and "
                + "others are not; adopt the whole first, and parts of it after that."
        case .notShareable(let label, let address):
            return
                "The buffer \(label) at 0x\(String(address, radix: 16)) cannot be shared with other processes; share "
                + "the whole of what allocateShareable of this device gave."
        case .handleKind(let label, let kind, let device):
            return "\(device) cannot open \(label) by a\(kind == .legacyIPC ? "n" : "") \(kind.rawValue); share memory "
                + "between devices of one kind."
        case .sharedSize(let label, let bytes, let available):
            return
                "\(label) was to have \(bytes) bytes, but the shared memory has \(available); send the size that was "
                + "allocated along with the handle."
        case .systemCall(let call, let code, let activity):
            return "\(call) failed while \(activity): \(String(cString: strerror(code))) (\(code)); see that the "
                + "descriptor is open, and that memory and descriptors are left."
        case .foreignStream(let handle, let device):
            return "The stream 0x\(String(handle, radix: 16)) is none of \(device); use one that was made there."
        case .keptBytes(let bytes):
            return "The L2 cannot keep \(bytes) bytes; ask for at least 0."
        case .kernel(let error):
            return "\(error)."
        case .noNetworkAdapter(let kernel, let device):
            return
                "The kernel \(kernel) asks for network operations, and \(device) has no network adapter; start an engine "
                + "such as NVSHMEM, build it for loopback, or run it on the simulator."
        case .sharedMemory(let kernel, let bytes, let limit):
            return
                "The kernel \(kernel) needs \(bytes) bytes of shared memory per block, but this device gives at most "
                + "\(limit); use fewer or smaller stages."
        case .argumentCount(let kernel, let parameters, let given):
            return
                "The kernel \(kernel) has \(parameters.count) parameters (\(parameters.joined(separator: ", "))), but "
                + "\(given) arguments were given; give one for each."
        case .argumentKind(let kernel, let parameter, let expected, let given):
            return "The parameter \(parameter) of the kernel \(kernel) takes \(expected), but \(given) was given; "
                + "pass \(expected)."
        case .tensorMap(let kernel, let parameter, let error):
            return "The tensor map \(parameter) of the kernel \(kernel) is not possible: \(error)"
        case .tensorMapElement(let kernel, let parameter, let element):
            return
                "The tensor map \(parameter) of the kernel \(kernel) has elements of type \(element.rawValue), which "
                + "memory does not hold; use a type of at least one byte."
        case .blockCount(let kernel, let blocks):
            return "The kernel \(kernel) cannot be launched with \(blocks) blocks; use 1 to \(Int32.max)."
        case .clusterSize(let kernel, let blocks, let clusterSize):
            return "The kernel \(kernel) runs in clusters of \(clusterSize) blocks, which do not divide its \(blocks) "
                + "blocks; use a multiple of \(clusterSize)."
        case .capture(let misuse):
            return misuse.description
        case .eventNotRecorded(let id):
            return "The event \(id) has no time, as it was never recorded outside of a capture; record it on a stream "
                + "first."
        case .eventNotComplete(let id):
            return "The event \(id) has not completed; synchronise its stream before asking for times."
        case .driver(let error):
            return error.description
        case .simulation(let error):
            return error.description
        }
    }
}

extension DeviceError.CaptureMisuse: CustomStringConvertible {
    /// One sentence that names the value, the limit and the remedy.
    public var description: String {
        switch self {
        case .operation(let operation):
            "It is not possible to \(operation) while this thread captures a stream; do it before or after the capture."
        case .nested:
            "This thread or this stream is being captured already; end that capture first."
        case .outsideEvent(let event):
            "Captured work cannot wait for the event \(event), which was recorded outside of the capture; record it "
                + "inside, or wait before capturing."
        case .notJoined(let stream):
            "The stream \(stream) took part in the capture and holds work that the captured stream does not wait for; "
                + "record an event on it and let the captured stream wait for that."
        case .legacyStream:
            "The legacy default stream cannot be captured; capture another stream."
        case .otherCapture(let stream):
            "The stream \(stream) cannot take part in two captures; end one before the other uses its events."
        }
    }
}
