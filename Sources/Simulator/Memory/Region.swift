/// A stretch of memory: a mapping of a global allocation, or the shared memory of one block.
///
/// A plain value of pointers, so that the interpreter's loop touches no reference counts; its owner frees it.
struct Region {
    /// Address of the first byte, as kernels see it: a multiple of 1024, or as far from one as adopted data is.
    let base: UInt64
    let bytes: Int
    let data: UnsafeMutableRawPointer
    let ownsData: Bool
    /// Which bytes have been written, one bit each; the backing stands in front.
    let initialised: UnsafeMutablePointer<UInt8>

    private static func mapBytes(_ bytes: Int) -> Int { (bytes + 15) / 16 * 2 }

    /// Memory full of 0xFF, none of it initialised.
    init(base: UInt64, bytes: Int) {
        self.base = base
        self.bytes = bytes
        data = .allocate(byteCount: max(bytes, 16), alignment: 1024)
        ownsData = true
        initialised = Backing.allocateMap(Self.mapBytes(bytes))
        backing.initialize(to: Backing(bytes: bytes, home: base, uninitialisedBytes: bytes))
        poison()
    }

    /// Memory of the host, all of it initialised, at a multiple of `adoptedAlignment`.
    init(base: UInt64, adopting memory: UnsafeMutableRawBufferPointer, at data: UnsafeMutableRawPointer) {
        self.base = base
        self.data = data
        bytes = memory.count
        ownsData = false
        initialised = Backing.allocateMap(Self.mapBytes(bytes))
        initialised.initialize(repeating: 0xFF, count: Self.mapBytes(bytes))
        backing.initialize(to: Backing(bytes: bytes, home: base, uninitialisedBytes: 0))
    }

    /// The largest access, which the map of initialised bytes and shadows take whole.
    static let adoptedAlignment = 16

    /// Forgets the contents; not for one of several mappings.
    mutating func poison() {
        data.initializeMemory(as: UInt8.self, repeating: 0xFF, count: bytes)
        initialised.update(repeating: 0, count: Self.mapBytes(bytes))
        uninitialisedBytes = bytes
    }

    /// Gives the mapping up, and with the last one the memory.
    func deallocate() {
        backing.pointee.mappings -= 1
        guard backing.pointee.mappings == 0 else { return }
        if ownsData { data.deallocate() }
        shadow?.pointee.deallocate()
        shadow?.deallocate()
        Backing.deallocateMap(initialised)
    }

    /// Offset of an access of `count` bytes at `address`, or nil if it does not lie inside.
    @inline(__always)
    func offset(of address: UInt64, count: Int) -> Int? {
        let within = address &- base
        guard within < UInt64(bytes), count <= bytes &- Int(within) else { return nil }
        return Int(within)
    }
}
