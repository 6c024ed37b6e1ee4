import KernelLanguage

/// One instruction of a litmus test. Values are whole numbers.
package enum LitmusInstruction: Hashable, Sendable {
    /// A register gets a value without any memory.
    case move(Int, LitmusValue)
    /// A register gets the result of an operation on two values.
    case arithmetic(LitmusArithmetic, Int, LitmusValue, LitmusValue)
    /// A register gets what memory holds.
    case load(LitmusAccess, Int)
    /// Memory gets a value.
    case store(LitmusAccess, LitmusValue)
    /// Read-modify-write: the register, if there is one, gets the value before.
    case atomic(LitmusChange, LitmusAccess, Int?)
    /// Acquire-release or sequentially consistent.
    case fence(MemoryOrder)
    /// Between generic accesses of the block and those through another proxy; `generic` orders nothing.
    case proxyFence(LitmusProxy)
    /// Between accesses through different generic addresses of the same memory.
    case aliasFence
    /// A barrier of the block.
    case barrier(LitmusBarrier)
    /// Jumps to instruction `target` if the comparison holds.
    case branch(Comparison, LitmusValue, LitmusValue, target: Int)
    /// Jumps to instruction `target`.
    case jump(target: Int)

    /// The instruction that it may jump to.
    var target: Int? {
        switch self {
        case .branch(_, _, _, let target), .jump(let target): target
        default: nil
        }
    }

    /// The access of a load, store or atomic operation.
    var access: LitmusAccess? {
        switch self {
        case .load(let access, _), .store(let access, _), .atomic(_, let access, _): access
        default: nil
        }
    }

    /// Whether it is a proxy or alias fence, or an access through another proxy than the generic one.
    var usesProxies: Bool {
        switch self {
        case .proxyFence, .aliasFence: true
        default: access.map { $0.proxy != .generic } ?? false
        }
    }

    /// The register that it changes.
    var result: Int? {
        switch self {
        case .move(let register, _), .arithmetic(_, let register, _, _), .load(_, let register): register
        case .atomic(_, _, let register): register
        default: nil
        }
    }
}

/// Where an access goes and how.
package struct LitmusAccess: Hashable, Sendable {
    /// Index of the location.
    package var location: Int
    /// Weak, relaxed, acquire, release or both, with its scope.
    package var order: MemoryOrder
    /// Its way to memory.
    package var proxy: LitmusProxy

    /// An access; see the properties.
    package init(location: Int, order: MemoryOrder, proxy: LitmusProxy) {
        (self.location, self.order, self.proxy) = (location, order, proxy)
    }
}

/// A register or a number.
package enum LitmusValue: Hashable, Sendable {
    case register(Int)
    case constant(Int)
}

/// Operations on two values, modulo 2⁶⁴.
package enum LitmusArithmetic: String, CaseIterable, Hashable, Sendable {
    case add, sub, mul, div, and, or, xor

    /// The result; 0 for a division by zero.
    func apply(_ a: Int, _ b: Int) -> Int {
        switch self {
        case .add: a &+ b
        case .sub: a &- b
        case .mul: a &* b
        case .div: b == 0 ? 0 : b == -1 ? 0 &- a : a / b
        case .and: a & b
        case .or: a | b
        case .xor: a ^ b
        }
    }
}

/// The change that a read-modify-write makes to the value that it found.
package enum LitmusChange: Hashable, Sendable {
    case arithmetic(LitmusArithmetic, LitmusValue)
    case minimum(LitmusValue)
    case maximum(LitmusValue)
    case exchange(LitmusValue)
    /// Writes `value` if it finds `expected`; otherwise it only reads.
    case compareAndSwap(expected: LitmusValue, value: LitmusValue)
}

/// A barrier of the block.
///
/// The first number tells barriers of the program apart: only those of the same one can meet. With a name, which may be
/// a register, they meet only if their names are equal too. With a quorum, as many are enough.
package struct LitmusBarrier: Hashable, Sendable {
    /// The first number.
    package var instance: Int
    /// The second; nil if it is not given.
    package var name: LitmusValue?
    /// The third; nil for all of the block that have such a barrier.
    package var quorum: LitmusValue?
    /// It does not wait.
    package var onlyArrives: Bool

    /// A barrier; see the properties.
    package init(instance: Int, name: LitmusValue? = nil, quorum: LitmusValue? = nil, onlyArrives: Bool = false) {
        (self.instance, self.name, self.quorum, self.onlyArrives) = (instance, name, quorum, onlyArrives)
    }
}
