import KernelLanguage

/// A few threads that access a few words, and a question about how it can end.
package struct LitmusTest: Hashable, Sendable {
    /// Name behind the language in the first line.
    package var name: String
    /// Names for memory; threads and conditions refer to them by index.
    package var locations: [LitmusLocation]
    /// In the order of their columns.
    package var threads: [LitmusThread]
    /// Only ends for which this holds count; all of them if it is nil.
    package var filter: LitmusCondition?
    /// The last line.
    package var question: LitmusQuestion

    /// Indices of the locations that are one piece of memory with location `index`, itself included.
    func locations(sharing index: Int) -> [Int] {
        locations.indices.filter { locations[$0].memory == locations[index].memory }
    }

    /// Whether an instruction is a proxy or alias fence, or an access through another proxy than the generic one.
    var usesProxies: Bool {
        threads.contains { $0.instructions.contains { $0.instruction.usesProxies } }
    }

    /// Whether a thread can jump backwards.
    var hasLoops: Bool { threads.contains { !$0.loops.isEmpty } }
}

/// A name for a word of memory.
package struct LitmusLocation: Hashable, Sendable {
    /// As the test writes it.
    package var name: String
    /// What the memory holds at first.
    package var initial: Int
    /// Index of the location that owns the memory: itself, unless this is an alias.
    package var memory: Int
    /// Index of the location whose generic address this is: an alias of the generic proxy has its own.
    package var address: Int
}

/// The way to memory that an access takes (PTX ISA, "Proxies").
package enum LitmusProxy: String, CaseIterable, Hashable, Sendable {
    /// Ordinary loads and stores.
    case generic
    /// Constant memory.
    case constant
    /// Textures.
    case texture
    /// Surfaces.
    case surface
}

/// One column of the test.
package struct LitmusThread: Hashable, Sendable {
    /// The number behind `P`.
    package var number: Int
    /// Its block, by number within all GPUs of the test.
    package var block: Int
    /// Its GPU.
    package var gpu: Int
    /// Registers that do not start as 0.
    package var registers: [Int: Int] = [:]
    /// Its instructions, with their lines in the file.
    package var instructions: [Step] = []

    /// An instruction and its line, from 1.
    package struct Step: Hashable, Sendable {
        /// What to do.
        package var instruction: LitmusInstruction
        /// Line in the file.
        package var line: Int
    }

    /// From the target of each jump backwards to the jump.
    var loops: [ClosedRange<Int>] {
        instructions.indices.compactMap { index in
            instructions[index].instruction.target.flatMap { $0 <= index ? $0...index : nil }
        }
    }

    /// Whether both are in one block of one GPU.
    func sharesBlock(with other: LitmusThread) -> Bool { block == other.block && gpu == other.gpu }

    /// Whether `scope` around this thread holds the other.
    func includes(_ other: LitmusThread, _ scope: MemoryScope) -> Bool {
        switch scope {
        // The format has no clusters.
        case .block, .cluster: sharesBlock(with: other)
        case .gpu: gpu == other.gpu
        case .system: true
        }
    }
}
