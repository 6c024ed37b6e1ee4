import KernelLanguage

/// A kernel made ready to run: verified and decoded once, launched any number of times on any machine.
public struct Program: Sendable {
    let storage: ProgramStorage

    /// Verifies and decodes `kernel`.
    ///
    /// - Throws: `VerificationError` if the kernel is not valid.
    public init(_ kernel: Kernel) throws(VerificationError) {
        try kernel.verify()
        storage = ProgramStorage(Decoder.decode(kernel))
    }

    /// The kernel.
    public var kernel: Kernel { storage.kernel }

    /// Steps that the kernel was decoded into.
    public var stepCount: Int { storage.locations.count }

    /// Bytes of registers that each warp has in the simulator.
    public var registerBytesPerWarp: Int { storage.registerBytes }
}

/// The decoded steps, behind pointers that the interpreter's loop follows. Immutable after initialisation.
final class ProgramStorage: @unchecked Sendable {
    let kernel: Kernel
    let steps: UnsafePointer<Step>
    let constants: UnsafeRawPointer
    let lists: UnsafePointer<Int32>
    let float8Table: UnsafePointer<Float>
    /// Constant offsets of the operations that have several.
    let numbers: [Int]
    let multiplies: [MultiplyPlan]
    /// Line of each step.
    let locations: [SourceLocation]
    /// What each step is to a judge.
    let aspects: [StepAspect]
    let touched: [TouchedPlaces]
    /// Number of each step's operation, in the order of the text.
    let operations: [Int]
    /// Steps other than multiplies that touch registers of multiplies.
    let touchesMultiplies: [Bool]
    /// Bytes of a warp's register file.
    let registerBytes: Int
    /// Deepest nesting of ifs and loops.
    let depth: Int

    init(_ decoder: Decoder) {
        kernel = decoder.kernel
        steps = Self.copy(decoder.steps)
        lists = Self.copy(decoder.lists)
        float8Table = Self.copy(Float8E4M3.decoded)
        let constants = UnsafeMutableRawPointer.allocate(byteCount: max(decoder.constants.count, 16), alignment: 128)
        decoder.constants.withUnsafeBytes { bytes in
            if let base = bytes.baseAddress { constants.copyMemory(from: base, byteCount: bytes.count) }
        }
        self.constants = UnsafeRawPointer(constants)
        numbers = decoder.numbers
        multiplies = decoder.multiplies
        locations = decoder.locations
        aspects = decoder.aspects
        touched = decoder.touched
        operations = decoder.operations
        let multiplying = Set(decoder.multiplies.flatMap { $0.accumulators + $0.fragment })
        touchesMultiplies = zip(decoder.aspects, decoder.touched).map { aspect, touched in
            if case .multiply = aspect { false } else { touched.places.contains { multiplying.contains($0) } }
        }
        registerBytes = (decoder.places.bytes + 127) / 128 * 128
        depth = decoder.deepest
    }

    deinit {
        steps.deallocate()
        lists.deallocate()
        float8Table.deallocate()
        constants.deallocate()
    }

    private static func copy<T>(_ values: [T]) -> UnsafePointer<T> {
        let memory = UnsafeMutablePointer<T>.allocate(capacity: max(values.count, 1))
        memory.initialize(from: values, count: values.count)
        return UnsafePointer(memory)
    }
}
