/// The element types that registers and memory can hold.
///
/// A pointer into global memory is a `uint64` register, a pointer into shared memory a `uint32` one; what they point at
/// is known to Swift's type checker (`Pointer`, `SharedPointer`) and to each memory access.
public enum ScalarType: String, CaseIterable, Hashable, Sendable {
    case bool, uint32, int32, uint64, float32, bfloat16, float8E4M3

    /// Bytes of one element in memory. A Bool lives in registers only and has none.
    public var bytes: Int {
        switch self {
        case .bool: 0
        case .float8E4M3: 1
        case .bfloat16: 2
        case .uint32, .int32, .float32: 4
        case .uint64: 8
        }
    }

    /// Whether arithmetic is integer arithmetic modulo 2³² or 2⁶⁴.
    public var isInteger: Bool {
        switch self {
        case .uint32, .int32, .uint64: true
        case .bool, .float32, .bfloat16, .float8E4M3: false
        }
    }
}

/// Where an address points.
public enum MemorySpace: String, Hashable, Sendable {
    /// Device memory, 64-bit addresses, seen by every block and by other ranks.
    case global
    /// The block's own scratch memory, 32-bit addresses.
    case shared
}
