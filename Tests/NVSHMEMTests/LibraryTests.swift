import NVSHMEM
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What the host passes to a real library, as far as that goes without a GPU.
@Suite struct LibraryTests {
    @Test func attributesAreLaidOutAsInTheirFirstVersion() throws {
        let bytes = [UInt8](repeating: 7, count: UniqueID.count)
        let id = try #require(UniqueID(bytes: bytes))
        let made = InitAttributes(id)
        let words = (0..<InitAttributes.count / 4).map {
            made.attributes.load(fromByteOffset: 4 * $0, as: UInt32.self)
        }
        for (place, size) in [(0, 144), (4, 128), (6, 24)] { #expect(words[place] == UInt32(1 << 16 + size)) }
        #expect(words.reduce(0) { $0 + ($1 == 0 ? 0 : 1) } == 3)
        #expect(UniqueID(bytes: Array(bytes.dropLast())) == nil)
    }

    @Test func failuresNameFunctionCodeAndVariables() {
        let error = NVSHMEMError.call(
            "nvshmemx_hostlib_init_attr", status: 5, activity: "starting process 1 of 2", context: "NVSHMEM_DEBUG=INFO")
        for part in [
            "nvshmemx_hostlib_init_attr", "NVSHMEMX_ERROR_GPU_NOT_SELECTED (5)", "process 1 of 2", "NVSHMEM_DEBUG=INFO",
        ] {
            #expect("\(error)".contains(part))
        }
    }

    @Test(.needsNVSHMEM) func libraryIsOfTheHeadersVersion() throws {
        let installation = try NVSHMEMInstallation.find()
        #expect(try NVSHMEMLibrary(installation).version == installation.version)
    }

    /// The library puts number, count and the ID's address where the layout has them, and nothing elsewhere.
    @Test(.needsNVSHMEM) func libraryFillsInTheAttributes() throws {
        let library = try NVSHMEMLibrary(NVSHMEMInstallation.find())
        let id = try library.makeUniqueID()
        let version = id.bytes.prefix(4).enumerated().reduce(UInt32(0)) { $0 | UInt32($1.element) << (8 * $1.offset) }
        #expect(version == UInt32(UniqueID.versionWord))
        #expect(id.bytes.dropFirst(4).contains { $0 != 0 })
        #expect(try library.makeUniqueID() != id)
        let (plain, made) = (InitAttributes(id), try library.attributes(id, process: 3, of: 5))
        let own = UInt64(UInt(bitPattern: made.uniqueID))
        #expect(made.attributes.load(fromByteOffset: 32, as: UInt64.self) == own)
        #expect(made.attributes.load(fromByteOffset: 40, as: Int32.self) == 3)
        #expect(made.attributes.load(fromByteOffset: 44, as: Int32.self) == 5)
        for byte in 0..<InitAttributes.count where !(32..<48).contains(byte) {
            let (before, after) = (plain.attributes + byte, made.attributes + byte)
            #expect(before.load(as: UInt8.self) == after.load(as: UInt8.self), "byte \(byte)")
        }
    }
}
