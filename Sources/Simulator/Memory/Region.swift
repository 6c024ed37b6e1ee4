/// A stretch of memory: one global allocation, or the shared memory of one block.
///
/// A plain value of pointers, so that the interpreter's loop touches no reference counts; its owner frees it.
struct Region {
    /// Address of the first byte, as kernels see it: a multiple of 1024, or as far from one as adopted data is.
    let base: UInt64
    let bytes: Int
    let data: UnsafeMutableRawPointer
    let ownsData: Bool
    /// Which bytes have been written, one bit each.
    let initialised: UnsafeMutablePointer<UInt8>
    /// How many have not; zero lets accesses skip the map.
    var uninitialisedBytes: Int
    /// What a judge remembers of accesses; nil until there is one.
    var shadow: UnsafeMutablePointer<Shadow>?

    private static func mapBytes(_ bytes: Int) -> Int { (bytes + 15) / 16 * 2 }

    /// Memory full of 0xFF, none of it initialised.
    init(base: UInt64, bytes: Int) {
        self.base = base
        self.bytes = bytes
        data = .allocate(byteCount: max(bytes, 16), alignment: 1024)
        ownsData = true
        initialised = .allocate(capacity: max(Self.mapBytes(bytes), 2))
        uninitialisedBytes = bytes
        poison()
    }

    /// Memory of the host, all of it initialised, at a multiple of `adoptedAlignment`.
    init(base: UInt64, adopting memory: UnsafeMutableRawBufferPointer, at data: UnsafeMutableRawPointer) {
        self.base = base
        self.data = data
        bytes = memory.count
        ownsData = false
        initialised = .allocate(capacity: max(Self.mapBytes(bytes), 2))
        initialised.initialize(repeating: 0xFF, count: Self.mapBytes(bytes))
        uninitialisedBytes = 0
    }

    /// The largest access, which the map of initialised bytes and shadows take whole.
    static let adoptedAlignment = 16

    /// Forgets the contents.
    mutating func poison() {
        data.initializeMemory(as: UInt8.self, repeating: 0xFF, count: bytes)
        initialised.update(repeating: 0, count: Self.mapBytes(bytes))
        uninitialisedBytes = bytes
    }

    func deallocate() {
        if ownsData { data.deallocate() }
        initialised.deallocate()
        shadow?.pointee.deallocate()
        shadow?.deallocate()
    }

    /// Offset of an access of `count` bytes at `address`, or nil if it does not lie inside.
    @inline(__always)
    func offset(of address: UInt64, count: Int) -> Int? {
        let within = address &- base
        guard within < UInt64(bytes), count <= bytes &- Int(within) else { return nil }
        return Int(within)
    }
}
