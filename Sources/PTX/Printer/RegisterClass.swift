import KernelLanguage

/// The classes of PTX registers.
enum RegisterClass: Int, CaseIterable {
    case predicate, half, word, double, float

    /// The class that holds values of a type. FP8 is in the low byte of a 16-bit register, the rest of which is zero.
    init(_ type: ScalarType) {
        switch type {
        case .bool: self = .predicate
        case .bfloat16, .float8E4M3: self = .half
        case .uint32, .int32: self = .word
        case .uint64: self = .double
        case .float32: self = .float
        }
    }

    /// Prefix of the class's register names.
    var prefix: String {
        switch self {
        case .predicate: "%p"
        case .half: "%h"
        case .word: "%r"
        case .double: "%rd"
        case .float: "%f"
        }
    }

    /// Type in the declaration.
    var type: String {
        switch self {
        case .predicate: "pred"
        case .half: "b16"
        case .word: "b32"
        case .double: "b64"
        case .float: "f32"
        }
    }
}

extension ScalarType {
    /// Type of moves and logic.
    var bits: String {
        switch self {
        case .bool: "pred"
        case .bfloat16, .float8E4M3: "b16"
        case .uint32, .int32: "b32"
        case .uint64: "b64"
        case .float32: "f32"
        }
    }

    /// Type of arithmetic and comparisons.
    var arithmetic: String {
        switch self {
        case .bool: "pred"
        case .bfloat16: "bf16"
        case .float8E4M3: "e4m3"
        case .uint32: "u32"
        case .int32: "s32"
        case .uint64: "u64"
        case .float32: "f32"
        }
    }

    /// Type of an element in memory.
    var memory: String {
        switch self {
        case .bool: "pred"
        case .float8E4M3: "b8"
        case .bfloat16: "b16"
        case .uint32, .int32, .float32: "b32"
        case .uint64: "b64"
        }
    }
}
