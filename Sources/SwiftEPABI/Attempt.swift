import Accelerator
import CSwiftEP
import ExpertKernels
import ExpertParallel
import NVSHMEM
import Transport

/// Runs the body of a call; an error becomes its result, and its text the thread's last error.
func attempt(_ body: () throws -> Void) -> swiftep_result {
    do {
        try body()
        return SWIFTEP_OK
    } catch {
        LastError.set("\(error)")
        return code(of: error)
    }
}

private func code(of error: any Error) -> swiftep_result {
    switch error {
    case let error as GroupError:
        switch error {
        case .waitTimedOut: SWIFTEP_TIMEOUT
        case .outOfOrder, .needsReset, .superseded, .notConnected, .scratchDuringCapture: SWIFTEP_STATE
        case .kernelDoesNotFit: SWIFTEP_DEVICE
        default: SWIFTEP_INVALID
        }
    case is ShapeError, is ABIError: SWIFTEP_INVALID
    case let error as DeviceError:
        switch error {
        case .capture: SWIFTEP_STATE
        case .notDeviceMemory, .hostAlignment, .adoptedInPart, .foreignStream, .allocation, .bufferRange:
            SWIFTEP_INVALID
        default: SWIFTEP_DEVICE
        }
    case let error as NVSHMEMError:
        switch error {
        case .needsGPU, .needsProcesses, .cannotMask, .nodes: SWIFTEP_INVALID
        case .onePerProcess, .inUse: SWIFTEP_STATE
        default: SWIFTEP_TRANSPORT
        }
    case is TransportError: SWIFTEP_TRANSPORT
    default: SWIFTEP_INTERNAL
    }
}

/// The structure at `pointer`, whose first word is the size that the caller knows; the rest is zero.
func structure<Structure: BitwiseCopyable>(
    _ pointer: UnsafePointer<Structure>?, _ zero: Structure, _ name: String
) throws(ABIError) -> Structure {
    guard let pointer else { throw .null(name) }
    let bytes = try knownBytes(UnsafeRawPointer(pointer), of: Structure.self, name)
    var result = zero
    withUnsafeMutableBytes(of: &result) { $0.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: bytes)) }
    return result
}

/// Writes as much of a structure to the caller's as that one has room for; its size field stays.
func writeStructure<Structure: BitwiseCopyable>(
    _ value: Structure, to pointer: UnsafeMutablePointer<Structure>?, _ name: String
) throws(ABIError) {
    guard let pointer else { throw .null(name) }
    let bytes = try knownBytes(UnsafeRawPointer(pointer), of: Structure.self, name)
    let (own, head) = (UnsafeMutableRawPointer(pointer), MemoryLayout<UInt32>.size)
    withUnsafeBytes(of: value) { (own + head).copyMemory(from: $0.baseAddress! + head, byteCount: bytes - head) }
}

private func knownBytes<Structure>(
    _ pointer: UnsafeRawPointer, of type: Structure.Type, _ name: String
) throws(ABIError) -> Int {
    let size = pointer.load(as: UInt32.self)
    let known = MemoryLayout<Structure>.size
    guard (4...UInt32(known)).contains(size) else { throw .structureSize(name, bytes: size, known: known) }
    return Int(size)
}

/// Writes a result to the caller's memory.
func write<Value>(_ value: Value, to pointer: UnsafeMutablePointer<Value>?, _ name: String) throws(ABIError) {
    try require(pointer, name).pointee = value
}

/// A pointer that is not null.
func require<Pointee>(
    _ pointer: UnsafeMutablePointer<Pointee>?, _ name: String
) throws(ABIError) -> UnsafeMutablePointer<Pointee> {
    guard let pointer else { throw .null(name) }
    return pointer
}
