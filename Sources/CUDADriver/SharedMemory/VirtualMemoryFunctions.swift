/// The driver's virtual memory management functions, all in `libcuda.so` since CUDA 10.2.
package struct VirtualMemoryFunctions: Sendable {
    package let cuMemGetAllocationGranularity:
        @convention(c) (UnsafeMutablePointer<Int>, UnsafeRawPointer, Int32) -> Int32
    package let cuMemCreate: @convention(c) (UnsafeMutablePointer<UInt64>, Int, UnsafeRawPointer, UInt64) -> Int32
    package let cuMemRelease: @convention(c) (UInt64) -> Int32
    package let cuMemAddressReserve: @convention(c) (UnsafeMutablePointer<UInt64>, Int, Int, UInt64, UInt64) -> Int32
    package let cuMemAddressFree: @convention(c) (UInt64, Int) -> Int32
    package let cuMemMap: @convention(c) (UInt64, Int, Int, UInt64, UInt64) -> Int32
    package let cuMemUnmap: @convention(c) (UInt64, Int) -> Int32
    package let cuMemSetAccess: @convention(c) (UInt64, Int, UnsafeRawPointer, Int) -> Int32
    package let cuMemExportToShareableHandle: @convention(c) (UnsafeMutableRawPointer, UInt64, Int32, UInt64) -> Int32
    package let cuMemImportFromShareableHandle:
        @convention(c) (UnsafeMutablePointer<UInt64>, UnsafeMutableRawPointer?, Int32) -> Int32

    /// Looks up every function. Throws `DriverError.symbolMissing` for the first that `library` lacks.
    package init(library: DynamicLibrary) throws {
        cuMemGetAllocationGranularity = try library.function("cuMemGetAllocationGranularity")
        cuMemCreate = try library.function("cuMemCreate")
        cuMemRelease = try library.function("cuMemRelease")
        cuMemAddressReserve = try library.function("cuMemAddressReserve")
        cuMemAddressFree = try library.function("cuMemAddressFree")
        cuMemMap = try library.function("cuMemMap")
        cuMemUnmap = try library.function("cuMemUnmap")
        cuMemSetAccess = try library.function("cuMemSetAccess")
        cuMemExportToShareableHandle = try library.function("cuMemExportToShareableHandle")
        cuMemImportFromShareableHandle = try library.function("cuMemImportFromShareableHandle")
    }
}
