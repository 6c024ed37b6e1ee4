/// What all mappings of one piece of memory have in common, next to its bytes. It stands before the map of initialised
/// bytes.
struct Backing {
    /// The size of the whole; a mapping may have only the beginning.
    let bytes: Int
    /// Address of the first mapping, which tells the memory from others in every schedule.
    let home: UInt64
    /// Bytes that have not been written; zero lets accesses skip the map.
    var uninitialisedBytes: Int
    /// What a judge remembers of accesses; nil until there is one.
    var shadow: UnsafeMutablePointer<Shadow>?
    /// How many mappings there are.
    var mappings = 1

    /// Bytes in front of a map.
    @inline(__always)
    static var headerBytes: Int { (MemoryLayout<Backing>.size + 15) / 16 * 16 }

    /// A map of `mapBytes` bytes with its backing in front, which is not set yet.
    static func allocateMap(_ mapBytes: Int) -> UnsafeMutablePointer<UInt8> {
        let start = UnsafeMutableRawPointer.allocate(byteCount: headerBytes + max(mapBytes, 2), alignment: 16)
        return (start + headerBytes).bindMemory(to: UInt8.self, capacity: max(mapBytes, 2))
    }

    /// Frees what `allocateMap` gave.
    static func deallocateMap(_ map: UnsafeMutablePointer<UInt8>) {
        (UnsafeMutableRawPointer(map) - headerBytes).deallocate()
    }
}

extension Region {
    /// What the region has in common with other mappings of the same memory.
    @inline(__always)
    var backing: UnsafeMutablePointer<Backing> {
        (UnsafeMutableRawPointer(initialised) - Backing.headerBytes).assumingMemoryBound(to: Backing.self)
    }

    /// See ``Backing/uninitialisedBytes``.
    @inline(__always)
    var uninitialisedBytes: Int {
        get { backing.pointee.uninitialisedBytes }
        nonmutating set { backing.pointee.uninitialisedBytes = newValue }
    }

    /// See ``Backing/shadow``.
    @inline(__always)
    var shadow: UnsafeMutablePointer<Shadow>? {
        get { backing.pointee.shadow }
        nonmutating set { backing.pointee.shadow = newValue }
    }

    /// The first `bytes` bytes of the same memory, at another address: what is written, known and judged through one
    /// mapping is so through all.
    init(base: UInt64, mapping other: Region, bytes: Int) {
        self.base = base
        self.bytes = bytes
        data = other.data
        ownsData = other.ownsData
        initialised = other.initialised
        backing.pointee.mappings += 1
    }
}
