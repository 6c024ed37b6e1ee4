import KernelLanguage

/// Rows of 128 bytes of a finished tile in shared memory, where they are transposed from the order of the tensor cores
/// into whole lines. In row `r`, chunk `c` of 16 bytes lies at `c ^ (r % 8)`, so that neither stores nor loads have
/// bank conflicts.
struct TransposedRows {
    private let memory: SharedPointer<UInt32>

    /// At memory that starts at a multiple of 128 bytes.
    init(_ memory: SharedPointer<Float8E4M3>) { self.memory = memory.cast(to: UInt32.self) }

    /// Size of so many rows in bytes.
    static func bytes(rows: Int) -> Int { rows * Hopper.lineBytes }

    /// Writes words from `word` on, 0 to 3, of chunk `chunk` in row `row + plus`; `plus` is a multiple of 8.
    func store(
        _ k: KernelBuilder, _ words: [Value<UInt32>], row: Value<UInt32>, plus: Int, chunk: Value<UInt32>,
        word: Value<UInt32>
    ) {
        let place = (row << 5) + ((chunk ^ (row & 7)) << 2) + word
        k.storeVector(words, to: memory + place + plus * 32)
    }

    /// Reads chunk `lane % 8` of row `row + plus`; `plus` is a multiple of 8.
    func load(_ k: KernelBuilder, row: Value<UInt32>, plus: Int) -> [Value<UInt32>] {
        let place = (row << 5) + (((k.lane & 7) ^ (row & 7)) << 2)
        return k.loadVector(memory + place + plus * 32, count: 4)
    }
}
