/// Identifies a kernel by its content: a digest of 128 bits, the same in every process, of all that the kernel does and
/// takes.
///
/// Kernels with one digest have the same name, parameters, sizes and operations. The lines of Swift that emitted the
/// operations are left out, so that moving lines changes nothing. It is no defence against kernels made to collide.
public struct KernelDigest: Hashable, Sendable {
    /// The bits.
    public let high, low: UInt64
}

extension KernelDigest: Comparable {
    /// An order without meaning, the same in every process.
    public static func < (first: KernelDigest, second: KernelDigest) -> Bool {
        (first.high, first.low) < (second.high, second.low)
    }
}

extension KernelDigest: CustomStringConvertible {
    /// 32 hexadecimal digits.
    public var description: String {
        [high, low].map { half in
            let digits = String(half, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}
