/// The global memory of the machine: allocations in the order of their addresses.
final class DeviceMemory {
    /// What the interpreter's loop sees: a plain table behind a pointer.
    struct Table {
        var regions: UnsafeMutablePointer<Region>
        var count: Int
        /// The region that the last access found.
        var last: Int
    }

    let table: UnsafeMutablePointer<Table>
    private var labels: [UInt64: String] = [:]
    private var capacity = 16
    private var next: UInt64 = 0x7000_0000_0000

    init() {
        table = .allocate(capacity: 1)
        table.initialize(to: Table(regions: .allocate(capacity: capacity), count: 0, last: 0))
    }

    deinit {
        for index in 0..<table.pointee.count { table.pointee.regions[index].deallocate() }
        table.pointee.regions.deallocate()
        table.deallocate()
    }

    /// A fresh allocation at a multiple of 1024, with an unmapped gap on both sides.
    func allocate(bytes: Int, label: String) throws(SimulationError) -> UInt64 {
        guard bytes > 0, bytes <= 1 << 40 else {
            throw .invalidArgument("allocation \(label) of \(bytes) bytes; 1 byte to 1 TiB is possible")
        }
        let address = takeAddresses(bytes)
        append(Region(base: address, bytes: bytes), label: label)
        return address
    }

    /// A fresh allocation whose data is memory of the host, with that memory's offset from a multiple of 1024.
    func adopt(_ memory: UnsafeMutableRawBufferPointer, label: String) throws(SimulationError) -> UInt64 {
        guard let data = memory.baseAddress, memory.count > 0 else {
            throw .invalidArgument("adopted memory \(label) of \(memory.count) bytes; 1 byte is the least")
        }
        let place = UInt(bitPattern: data) % 1024
        guard place % UInt(Region.adoptedAlignment) == 0 else {
            throw .invalidArgument(
                "adopted memory \(label) at 0x\(String(UInt(bitPattern: data), radix: 16)); multiples of "
                    + "\(Region.adoptedAlignment) are possible")
        }
        let address = takeAddresses(memory.count + Int(place)) + UInt64(place)
        append(Region(base: address, adopting: memory, at: data), label: label)
        return address
    }

    /// The first `bytes` bytes of an allocation, given by the start of one of its mappings, at a fresh address with the
    /// same offset from a multiple of 1024. Nil maps as many bytes as that mapping has.
    func alias(of address: UInt64, bytes: Int?, label: String) throws(SimulationError) -> UInt64 {
        guard let index = index(atOrBelow: address), table.pointee.regions[index].base == address else {
            throw .invalidArgument("0x\(String(address, radix: 16)) is not the start of an allocation; nothing to map")
        }
        let region = table.pointee.regions[index]
        let (bytes, whole) = (bytes ?? region.bytes, region.backing.pointee.bytes)
        guard (1...whole).contains(bytes) else {
            throw .invalidArgument("a mapping \(label) of \(bytes) bytes; the memory has 1 to \(whole)")
        }
        let place = address % 1024
        let own = takeAddresses(bytes + Int(place)) + place
        append(Region(base: own, mapping: region, bytes: bytes), label: label)
        return own
    }

    /// The start of `bytes` bytes that no allocation has had, with a gap behind them.
    private func takeAddresses(_ bytes: Int) -> UInt64 {
        defer { next += UInt64((bytes + 1023) / 1024 * 1024 + 64 * 1024) }
        return next
    }

    private func append(_ region: Region, label: String) {
        if table.pointee.count == capacity {
            let larger = UnsafeMutablePointer<Region>.allocate(capacity: capacity * 2)
            larger.moveInitialize(from: table.pointee.regions, count: capacity)
            table.pointee.regions.deallocate()
            table.pointee.regions = larger
            capacity *= 2
        }
        (table.pointee.regions + table.pointee.count).initialize(to: region)
        table.pointee.count += 1
        labels[region.base] = label
    }

    func free(_ address: UInt64) throws(SimulationError) {
        guard let index = index(atOrBelow: address), table.pointee.regions[index].base == address else {
            throw .invalidArgument("0x\(String(address, radix: 16)) is not the start of an allocation; nothing to free")
        }
        let regions = table.pointee.regions
        regions[index].deallocate()
        let after = table.pointee.count - index - 1
        (regions + index).update(from: regions + index + 1, count: after)
        table.pointee.count -= 1
        table.pointee.last = 0
        labels[address] = nil
    }

    /// The allocation that holds all of the range, with the offset in it.
    func find(_ address: UInt64, count: Int) -> (region: UnsafeMutablePointer<Region>, offset: Int)? {
        guard let region = table.pointee.find(address, count: count) else { return nil }
        return (region, Int(address - region.pointee.base))
    }

    private func index(atOrBelow address: UInt64) -> Int? { table.pointee.index(atOrBelow: address) }

    /// The allocation that holds `address` or is nearest to it.
    func nearest(_ address: UInt64) -> AccessFault.NearestAllocation? {
        guard table.pointee.count > 0 else { return nil }
        let below = index(atOrBelow: address)
        let above = (below ?? -1) + 1
        let regions = table.pointee.regions
        var index = below ?? 0
        if let below, above < table.pointee.count {
            let past = address - regions[below].base
            if past >= UInt64(regions[below].bytes), regions[above].base - address < past - UInt64(regions[below].bytes)
            {
                index = above
            }
        }
        let region = regions[index]
        return .init(
            label: labels[region.base] ?? "?", bytes: region.bytes,
            offset: Int64(bitPattern: address &- region.base))
    }
}

extension DeviceMemory.Table {
    func index(atOrBelow address: UInt64) -> Int? {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if regions[middle].base <= address { low = middle + 1 } else { high = middle }
        }
        return low > 0 ? low - 1 : nil
    }

    /// The region that holds all of the range.
    @inline(__always)
    mutating func find(_ address: UInt64, count: Int) -> UnsafeMutablePointer<Region>? {
        if last < self.count, regions[last].offset(of: address, count: count) != nil { return regions + last }
        return search(address, count: count)
    }

    @inline(never)
    private mutating func search(_ address: UInt64, count: Int) -> UnsafeMutablePointer<Region>? {
        guard let index = index(atOrBelow: address), regions[index].offset(of: address, count: count) != nil else {
            return nil
        }
        last = index
        return regions + index
    }
}
