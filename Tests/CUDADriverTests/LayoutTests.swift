import CUDADriver
import Testing

@Suite struct LayoutTests {
    @Test("The launch configuration has the offsets of CUlaunchConfig: 56 bytes with the stream at 32")
    func launchConfiguration() {
        typealias Raw = RawLaunchConfiguration
        #expect(MemoryLayout<Raw>.stride == 56)
        #expect(MemoryLayout<Raw>.alignment == 8)
        #expect(MemoryLayout<Raw>.offset(of: \.gridX) == 0)
        #expect(MemoryLayout<Raw>.offset(of: \.gridY) == 4)
        #expect(MemoryLayout<Raw>.offset(of: \.gridZ) == 8)
        #expect(MemoryLayout<Raw>.offset(of: \.blockX) == 12)
        #expect(MemoryLayout<Raw>.offset(of: \.blockY) == 16)
        #expect(MemoryLayout<Raw>.offset(of: \.blockZ) == 20)
        #expect(MemoryLayout<Raw>.offset(of: \.sharedBytes) == 24)
        #expect(MemoryLayout<Raw>.offset(of: \.stream) == 32)
        #expect(MemoryLayout<Raw>.offset(of: \.attributes) == 40)
        #expect(MemoryLayout<Raw>.offset(of: \.attributeCount) == 48)
    }

    @Test("A launch attribute has the offsets of CUlaunchAttribute: 72 bytes with the value at 8")
    func launchAttribute() {
        #expect(MemoryLayout<RawLaunchAttribute>.size == 72)
        #expect(MemoryLayout<RawLaunchAttribute>.stride == 72)
        #expect(MemoryLayout<RawLaunchAttribute>.offset(of: \.identifier) == 0)
        #expect(MemoryLayout<RawLaunchAttribute>.offset(of: \.value) == 8)
    }

    @Test("A configuration reaches the driver as words in the driver's order, with its attributes")
    func rawWords() {
        let configuration = LaunchConfiguration(
            grid: LaunchDimensions(8, 6, 4), block: LaunchDimensions(32, 3, 2), dynamicSharedBytes: 1000,
            cluster: LaunchDimensions(4, 2, 1), programmaticDependentLaunch: true)
        configuration.withRaw(stream: UnsafeMutableRawPointer(bitPattern: 0x1234)) { raw in
            let words = (0..<7).map { raw.load(fromByteOffset: $0 * 4, as: UInt32.self) }
            #expect(words == [8, 6, 4, 32, 3, 2, 1000])
            #expect(raw.load(fromByteOffset: 32, as: UInt.self) == 0x1234)
            #expect(raw.load(fromByteOffset: 48, as: UInt32.self) == 2)
            guard let attributes = raw.load(fromByteOffset: 40, as: UnsafeRawPointer?.self) else {
                Issue.record("there are no attributes")
                return
            }
            // Cluster dimension is attribute 4, programmatic stream serialization is attribute 6.
            #expect(attributes.load(as: UInt32.self) == 4)
            #expect((0..<3).map { attributes.load(fromByteOffset: 8 + $0 * 4, as: UInt32.self) } == [4, 2, 1])
            #expect(attributes.load(fromByteOffset: 72, as: UInt32.self) == 6)
            #expect(attributes.load(fromByteOffset: 80, as: Int32.self) == 1)
        }
        LaunchConfiguration(grid: LaunchDimensions(1), block: LaunchDimensions(1)).withRaw(stream: nil) { raw in
            #expect(raw.load(fromByteOffset: 40, as: UnsafeRawPointer?.self) == nil)
            #expect(raw.load(fromByteOffset: 48, as: UInt32.self) == 0)
        }
    }

    @Test("Every kernel argument stands at a multiple of 64 with its own bytes, and the list ends with nil")
    func arguments() {
        let arguments: [[UInt8]] = [[7], Array(0..<128), [1, 2, 3, 4, 5, 6, 7, 8], Array(repeating: 9, count: 65)]
        withArgumentPointers(arguments) { pointers in
            for (index, argument) in arguments.enumerated() {
                guard let pointer = pointers[index] else {
                    Issue.record("argument \(index) has no address")
                    return
                }
                #expect(UInt(bitPattern: pointer) % 64 == 0, "argument \(index)")
                #expect(Array(UnsafeRawBufferPointer(start: pointer, count: argument.count)) == argument)
            }
            #expect(pointers[arguments.count] == nil)
        }
        withArgumentPointers([]) { #expect($0[0] == nil) }
    }

    @Test("An IPC handle is 64 bytes, read as eight words in memory order; other sizes are refused")
    func ipcHandle() throws {
        let handle = try IPCHandle(bytes: Array(0..<64))
        #expect(handle.words.count == 8)
        #expect(handle.words.flatMap(\.argument) == Array(0..<64))
        for count in [0, 63, 65] {
            #expect(throws: DriverError.self) { try IPCHandle(bytes: [UInt8](repeating: 0, count: count)) }
        }
    }
}
