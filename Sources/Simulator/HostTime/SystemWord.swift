import Synchronization

/// A word of global memory that other processes may access at the same time: each access is one atomic access of the
/// host's CPU. Addresses are multiples of the word's size.
protocol SystemWord: FixedWidthInteger {
    /// Reads the word.
    static func systemLoad(_ address: UnsafeMutableRawPointer) -> Self
    /// Writes the word.
    static func systemStore(_ value: Self, _ address: UnsafeMutableRawPointer)
    /// Writes `new` if the word is `old`. Gives whether it did, and what the word was.
    static func systemReplace(_ old: Self, _ new: Self, _ address: UnsafeMutableRawPointer) -> (Bool, Self)
}

extension SystemWord {
    /// Replaces the word by `change` of it, in one step. Gives both.
    @inline(__always)
    static func systemUpdate(_ address: UnsafeMutableRawPointer, _ change: (Self) -> Self) -> (old: Self, new: Self) {
        var old = systemLoad(address)
        while true {
            let new = change(old)
            let (done, found) = systemReplace(old, new, address)
            if done { return (old, new) }
            old = found
        }
    }
}

extension UInt8: SystemWord {
    @inline(__always)
    static func systemLoad(_ address: UnsafeMutableRawPointer) -> UInt8 {
        address.assumingMemoryBound(to: Atomic<UInt8>.self).pointee.load(ordering: .relaxed)
    }

    @inline(__always)
    static func systemStore(_ value: UInt8, _ address: UnsafeMutableRawPointer) {
        address.assumingMemoryBound(to: Atomic<UInt8>.self).pointee.store(value, ordering: .relaxed)
    }

    @inline(__always)
    static func systemReplace(_ old: UInt8, _ new: UInt8, _ address: UnsafeMutableRawPointer) -> (Bool, UInt8) {
        let (done, found) = address.assumingMemoryBound(to: Atomic<UInt8>.self).pointee.weakCompareExchange(
            expected: old, desired: new, ordering: .sequentiallyConsistent)
        return (done, found)
    }
}

extension UInt16: SystemWord {
    @inline(__always)
    static func systemLoad(_ address: UnsafeMutableRawPointer) -> UInt16 {
        address.assumingMemoryBound(to: Atomic<UInt16>.self).pointee.load(ordering: .relaxed)
    }

    @inline(__always)
    static func systemStore(_ value: UInt16, _ address: UnsafeMutableRawPointer) {
        address.assumingMemoryBound(to: Atomic<UInt16>.self).pointee.store(value, ordering: .relaxed)
    }

    @inline(__always)
    static func systemReplace(_ old: UInt16, _ new: UInt16, _ address: UnsafeMutableRawPointer) -> (Bool, UInt16) {
        let (done, found) = address.assumingMemoryBound(to: Atomic<UInt16>.self).pointee.weakCompareExchange(
            expected: old, desired: new, ordering: .sequentiallyConsistent)
        return (done, found)
    }
}

extension UInt32: SystemWord {
    @inline(__always)
    static func systemLoad(_ address: UnsafeMutableRawPointer) -> UInt32 {
        address.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.load(ordering: .relaxed)
    }

    @inline(__always)
    static func systemStore(_ value: UInt32, _ address: UnsafeMutableRawPointer) {
        address.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.store(value, ordering: .relaxed)
    }

    @inline(__always)
    static func systemReplace(_ old: UInt32, _ new: UInt32, _ address: UnsafeMutableRawPointer) -> (Bool, UInt32) {
        let (done, found) = address.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.weakCompareExchange(
            expected: old, desired: new, ordering: .sequentiallyConsistent)
        return (done, found)
    }
}

extension Int32: SystemWord {
    @inline(__always)
    static func systemLoad(_ address: UnsafeMutableRawPointer) -> Int32 {
        address.assumingMemoryBound(to: Atomic<Int32>.self).pointee.load(ordering: .relaxed)
    }

    @inline(__always)
    static func systemStore(_ value: Int32, _ address: UnsafeMutableRawPointer) {
        address.assumingMemoryBound(to: Atomic<Int32>.self).pointee.store(value, ordering: .relaxed)
    }

    @inline(__always)
    static func systemReplace(_ old: Int32, _ new: Int32, _ address: UnsafeMutableRawPointer) -> (Bool, Int32) {
        let (done, found) = address.assumingMemoryBound(to: Atomic<Int32>.self).pointee.weakCompareExchange(
            expected: old, desired: new, ordering: .sequentiallyConsistent)
        return (done, found)
    }
}

extension UInt64: SystemWord {
    @inline(__always)
    static func systemLoad(_ address: UnsafeMutableRawPointer) -> UInt64 {
        address.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .relaxed)
    }

    @inline(__always)
    static func systemStore(_ value: UInt64, _ address: UnsafeMutableRawPointer) {
        address.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.store(value, ordering: .relaxed)
    }

    @inline(__always)
    static func systemReplace(_ old: UInt64, _ new: UInt64, _ address: UnsafeMutableRawPointer) -> (Bool, UInt64) {
        let (done, found) = address.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.weakCompareExchange(
            expected: old, desired: new, ordering: .sequentiallyConsistent)
        return (done, found)
    }
}
