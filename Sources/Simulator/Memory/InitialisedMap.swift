/// The map of bytes that have been written.
extension Region {
    /// Whether `count` (1, 2, 4, 8 or 16) bytes at `offset`, a multiple of `count`, have all been written.
    @inline(__always)
    func isInitialised(word offset: Int, count: Int) -> Bool {
        let index = offset &>> 3
        if count == 16 { return initialised[index] & initialised[index &+ 1] == 0xFF }
        let wanted = UInt8(truncatingIfNeeded: (1 &<< count) &- 1) &<< UInt8(truncatingIfNeeded: offset & 7)
        return initialised[index] & wanted == wanted
    }

    /// Marks `count` (1, 2, 4, 8 or 16) bytes at `offset`, a multiple of `count`.
    @inline(__always)
    mutating func markInitialised(word offset: Int, count: Int) {
        let index = offset &>> 3
        if count == 16 {
            mark(index, 0xFF)
            mark(index &+ 1, 0xFF)
        } else {
            mark(index, UInt8(truncatingIfNeeded: (1 &<< count) &- 1) &<< UInt8(truncatingIfNeeded: offset & 7))
        }
    }

    @inline(__always)
    private mutating func mark(_ index: Int, _ bits: UInt8) {
        let old = initialised[index]
        let new = old | bits
        initialised[index] = new
        uninitialisedBytes &-= (new ^ old).nonzeroBitCount
    }

    /// Marks any range.
    mutating func markInitialised(_ offset: Int, count: Int) {
        guard uninitialisedBytes > 0 else { return }
        if count == backing.pointee.bytes {
            initialised.update(repeating: 0xFF, count: (bytes + 7) / 8)
            uninitialisedBytes = 0
            return
        }
        forEachMapByte(offset, count: count) { map, index, bits in map.mark(index, bits) }
    }

    /// Makes `count` bytes at `offset`, multiples of 8, like ones that have never been written.
    mutating func forget(_ offset: Int, count: Int) {
        // Other processes may write adopted memory without this map's knowledge.
        guard ownsData else { return }
        for index in offset / 8..<(offset + count) / 8 { setMap(index, 0) }
    }

    /// The first byte of the range that has not been written, or nil.
    func firstUninitialised(_ offset: Int, count: Int) -> Int? {
        guard uninitialisedBytes > 0 else { return nil }
        return (offset..<offset + count).first { initialised[$0 >> 3] >> UInt8($0 & 7) & 1 == 0 }
    }

    /// Gives `count` bytes at `offset` the state that `source` has at `sourceOffset`.
    mutating func copyState(_ offset: Int, from source: Region, _ sourceOffset: Int, count: Int) {
        if source.uninitialisedBytes == 0 { return markInitialised(offset, count: count) }
        if offset % 8 == 0, sourceOffset % 8 == 0, count % 8 == 0 {
            for index in 0..<count / 8 { setMap(offset / 8 + index, source.initialised[sourceOffset / 8 + index]) }
            return
        }
        for index in 0..<count {
            let from = sourceOffset + index
            let to = offset + index
            let state = source.initialised[from >> 3] >> UInt8(from & 7) & 1
            let bit = UInt8(1) << UInt8(to & 7)
            let old = initialised[to >> 3]
            setMap(to >> 3, state == 1 ? old | bit : old & ~bit)
        }
    }

    private mutating func setMap(_ index: Int, _ new: UInt8) {
        uninitialisedBytes += initialised[index].nonzeroBitCount - new.nonzeroBitCount
        initialised[index] = new
    }

    private mutating func forEachMapByte(_ offset: Int, count: Int, _ body: (inout Region, Int, UInt8) -> Void) {
        var position = offset
        let end = offset + count
        while position < end {
            let low = position & 7
            let taken = min(8 - low, end - position)
            body(&self, position >> 3, UInt8(truncatingIfNeeded: ((1 << taken) - 1) << low))
            position += taken
        }
    }
}

extension Region {
    /// Copies bytes and their state.
    mutating func copy(_ offset: Int, from source: Region, _ sourceOffset: Int, count: Int) {
        (data + offset).copyMemory(from: source.data + sourceOffset, byteCount: count)
        copyState(offset, from: source, sourceOffset, count: count)
    }

    /// Writes zeros.
    mutating func zero(_ offset: Int, count: Int) {
        (data + offset).initializeMemory(as: UInt8.self, repeating: 0, count: count)
        markInitialised(offset, count: count)
    }
}
