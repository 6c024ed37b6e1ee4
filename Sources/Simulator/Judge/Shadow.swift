/// What the judge remembers of a region of memory: for each granule the last write and the reads since.
struct Shadow {
    struct Cell {
        var write = MemoryEvent()
        var read = MemoryEvent()
        /// Index of further reads in the judge's lists, or -1.
        var more: Int32 = -1
    }

    /// Bytes of a granule, as a power of two: the smallest access so far, at most 16.
    private(set) var shift = 4
    private(set) var cells: UnsafeMutablePointer<Cell>
    private(set) var count: Int
    private let bytes: Int
    /// Which era the cells are of; older ones mean nothing.
    private var era: Int
    /// Words of the region have a history of stores.
    var hasLocations = false

    init(bytes: Int, era: Int) {
        self.bytes = bytes
        self.era = era
        count = (bytes + 15) >> 4
        cells = .allocate(capacity: count)
        cells.initialize(repeating: Cell(), count: count)
    }

    func deallocate() { cells.deallocate() }

    /// Forgets everything of older eras.
    mutating func enter(_ newEra: Int) {
        guard era != newEra else { return }
        era = newEra
        hasLocations = false
        cells.update(repeating: Cell(), count: count)
    }

    /// Splits granules until an access of `size` bytes (1, 2, 4, 8 or 16), aligned to its size, takes whole ones.
    @inline(__always)
    mutating func refine(to size: Int) {
        if size < 1 << shift { split(size) }
    }

    private mutating func split(_ size: Int) {
        let newShift = size.trailingZeroBitCount
        let newCount = (bytes + size - 1) >> newShift
        let split = UnsafeMutablePointer<Cell>.allocate(capacity: newCount)
        for index in 0..<newCount { (split + index).initialize(to: cells[index >> (shift - newShift)]) }
        cells.deallocate()
        (cells, count, shift) = (split, newCount, newShift)
    }

    /// The granules that a range touches.
    @inline(__always)
    func granules(_ offset: Int, _ size: Int) -> Range<Int> { offset >> shift..<((offset + size - 1) >> shift) + 1 }
}
