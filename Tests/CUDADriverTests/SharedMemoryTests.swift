import CUDADriver
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite struct SharedMemoryTests {
    @Test("Allocation properties have the offsets of CUmemAllocationProp: 32 bytes with the RDMA flag at 25")
    func allocationProperties() {
        typealias Raw = RawAllocationProperties
        #expect(MemoryLayout<Raw>.size == 32 && MemoryLayout<Raw>.stride == 32)
        #expect(MemoryLayout<Raw>.alignment == 8)
        #expect(MemoryLayout<Raw>.offset(of: \.type) == 0)
        #expect(MemoryLayout<Raw>.offset(of: \.handleTypes) == 4)
        #expect(MemoryLayout<Raw>.offset(of: \.location) == 8)
        #expect(MemoryLayout<Raw>.offset(of: \.windowsAttributes) == 16)
        #expect(MemoryLayout<Raw>.offset(of: \.compression) == 24)
        #expect(MemoryLayout<Raw>.offset(of: \.gpuDirectRDMACapable) == 25)
        #expect(MemoryLayout<Raw>.offset(of: \.usage) == 26)
        #expect(MemoryLayout<Raw>.offset(of: \.reserved) == 28)
        for (types, rdma) in [(MemoryHandleTypes.fileDescriptor, true), ([.fabric, .fileDescriptor], false)] {
            let raw = RawAllocationProperties(handleTypes: types, ordinal: 3, gpuDirectRDMACapable: rdma)
            withUnsafeBytes(of: raw) { bytes in
                let words = (0..<8).map { bytes.load(fromByteOffset: $0 * 4, as: UInt32.self) }
                #expect(words == [1, types.rawValue, 1, 3, 0, 0, rdma ? 256 : 0, 0])
            }
        }
        #expect(MemoryHandleTypes.fileDescriptor.rawValue == 1 && MemoryHandleTypes.fabric.rawValue == 8)
    }

    @Test("An access description has the 12 bytes of CUmemAccessDesc")
    func accessDescription() {
        #expect(MemoryLayout<RawAccessDescription>.size == 12 && MemoryLayout<RawAccessDescription>.stride == 12)
        #expect(MemoryLayout<RawMemoryLocation>.size == 8)
        withUnsafeBytes(of: RawAccessDescription(ordinal: 5)) { bytes in
            #expect((0..<3).map { bytes.load(fromByteOffset: $0 * 4, as: UInt32.self) } == [1, 5, 3])
        }
    }

    @Test("Memory is mapped twice, and each mapping sees what the other writes")
    func mappedTwice() throws {
        try withGPU { context in
            let own = try ShareableMemory(byteCount: 3 << 20, fabric: false, context: context)
            #expect(own.byteCount == 3 << 20)
            guard case .descriptor(let descriptor) = try own.handle() else { return }
            defer { close(descriptor) }
            let opened = try MappedMemory(
                PhysicalMemory(descriptor: descriptor, byteCount: 3 << 20, context: context), byteCount: 3 << 20)
            #expect(opened.address != own.address && opened.address % (2 << 20) == 0)
            let words = (0..<1024).map(UInt32.init)
            try own.copyIn(words, at: 4096)
            let first = try opened.copyOut(UInt32.self, count: 1024, at: 4096)
            try opened.copyIn(Array(words.reversed()), at: 4096)
            let second = try own.copyOut(UInt32.self, count: 1024, at: 4096)
            #expect(first == words && second == words.reversed())
            #expect(throws: DriverError.self) {
                _ = try MappedMemory(
                    PhysicalMemory(descriptor: descriptor, byteCount: 64 << 20, context: context), byteCount: 64 << 20)
            }
        }
    }

    @Test("A GPU has a UUID, and reaches itself")
    func devices() throws {
        try withGPU { context in
            #expect(context.uniqueID.count == 32 && context.uniqueID != String(repeating: "0", count: 32))
            let own = try context.canReach(uniqueID: context.uniqueID)
            let other = try context.canReach(uniqueID: "none")
            #expect(own && !other)
        }
    }
}
