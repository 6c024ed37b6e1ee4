/// The functions of the driver that this package calls, each under its plain name.
///
/// The names looked up are those that `cuda.h` of CUDA 12 and 13 maps the plain names to: many functions exist in an
/// older form under the plain name and in the present one with `_v2`. Result codes are `Int32`, handles
/// untyped pointers, device addresses `UInt64`, sizes `Int`.
package struct DriverFunctions: @unchecked Sendable {
    // Sendable: addresses of code, set once; the driver may be called from any thread.
    package typealias Handle = UnsafeMutableRawPointer
    package typealias HandleResult = UnsafeMutablePointer<UnsafeMutableRawPointer?>

    // Errors, start, devices
    package let cuGetErrorName: @convention(c) (Int32, UnsafeMutablePointer<UnsafePointer<CChar>?>) -> Int32
    package let cuGetErrorString: @convention(c) (Int32, UnsafeMutablePointer<UnsafePointer<CChar>?>) -> Int32
    package let cuInit: @convention(c) (UInt32) -> Int32
    package let cuDriverGetVersion: @convention(c) (UnsafeMutablePointer<Int32>) -> Int32
    package let cuDeviceGetCount: @convention(c) (UnsafeMutablePointer<Int32>) -> Int32
    package let cuDeviceGet: @convention(c) (UnsafeMutablePointer<Int32>, Int32) -> Int32
    package let cuDeviceGetName: @convention(c) (UnsafeMutablePointer<CChar>, Int32, Int32) -> Int32
    package let cuDeviceGetAttribute: @convention(c) (UnsafeMutablePointer<Int32>, Int32, Int32) -> Int32
    package let cuDeviceTotalMem: @convention(c) (UnsafeMutablePointer<Int>, Int32) -> Int32
    package let cuDeviceGetUuid: @convention(c) (UnsafeMutableRawPointer, Int32) -> Int32
    package let cuDeviceCanAccessPeer: @convention(c) (UnsafeMutablePointer<Int32>, Int32, Int32) -> Int32
    package let cuDeviceGetP2PAttribute: @convention(c) (UnsafeMutablePointer<Int32>, Int32, Int32, Int32) -> Int32

    // Contexts
    package let cuDevicePrimaryCtxRetain: @convention(c) (HandleResult, Int32) -> Int32
    package let cuDevicePrimaryCtxRelease: @convention(c) (Int32) -> Int32
    package let cuCtxGetCurrent: @convention(c) (HandleResult) -> Int32
    package let cuCtxPushCurrent: @convention(c) (Handle) -> Int32
    package let cuCtxPopCurrent: @convention(c) (HandleResult) -> Int32
    package let cuCtxSynchronize: @convention(c) () -> Int32
    package let cuCtxGetLimit: @convention(c) (UnsafeMutablePointer<Int>, UInt32) -> Int32
    package let cuCtxSetLimit: @convention(c) (UInt32, Int) -> Int32
    package let cuCtxGetStreamPriorityRange:
        @convention(c) (UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>) -> Int32

    // Memory
    package let cuMemGetInfo: @convention(c) (UnsafeMutablePointer<Int>, UnsafeMutablePointer<Int>) -> Int32
    package let cuMemAlloc: @convention(c) (UnsafeMutablePointer<UInt64>, Int) -> Int32
    package let cuMemFree: @convention(c) (UInt64) -> Int32
    package let cuMemHostAlloc: @convention(c) (HandleResult, Int, UInt32) -> Int32
    package let cuMemFreeHost: @convention(c) (Handle) -> Int32
    package let cuMemHostGetDevicePointer: @convention(c) (UnsafeMutablePointer<UInt64>, Handle, UInt32) -> Int32
    package let cuMemcpyHtoD: @convention(c) (UInt64, UnsafeRawPointer, Int) -> Int32
    package let cuMemcpyDtoH: @convention(c) (UnsafeMutableRawPointer, UInt64, Int) -> Int32
    package let cuMemcpyHtoDAsync: @convention(c) (UInt64, UnsafeRawPointer, Int, Handle?) -> Int32
    package let cuMemcpyDtoHAsync: @convention(c) (UnsafeMutableRawPointer, UInt64, Int, Handle?) -> Int32
    package let cuMemcpyDtoDAsync: @convention(c) (UInt64, UInt64, Int, Handle?) -> Int32
    package let cuMemsetD8: @convention(c) (UInt64, UInt8, Int) -> Int32
    package let cuMemsetD32: @convention(c) (UInt64, UInt32, Int) -> Int32
    package let cuMemsetD8Async: @convention(c) (UInt64, UInt8, Int, Handle?) -> Int32
    package let cuMemsetD32Async: @convention(c) (UInt64, UInt32, Int, Handle?) -> Int32

    // Memory of others
    package let cuPointerGetAttribute: @convention(c) (UnsafeMutableRawPointer, Int32, UInt64) -> Int32
    package let cuIpcGetMemHandle: @convention(c) (UnsafeMutableRawPointer, UInt64) -> Int32
    package let cuIpcOpenMemHandle: IPCOpenFunction
    package let cuIpcCloseMemHandle: @convention(c) (UInt64) -> Int32
    /// Nil where the driver lacks one of them.
    package let virtualMemory: VirtualMemoryFunctions?

    // Streams and events
    package let cuStreamCreateWithPriority: @convention(c) (HandleResult, UInt32, Int32) -> Int32
    package let cuStreamDestroy: @convention(c) (Handle) -> Int32
    package let cuStreamGetCtx: @convention(c) (Handle, HandleResult) -> Int32
    package let cuStreamSynchronize: @convention(c) (Handle?) -> Int32
    package let cuStreamQuery: @convention(c) (Handle) -> Int32
    package let cuStreamWaitEvent: @convention(c) (Handle, Handle, UInt32) -> Int32
    package let cuEventCreate: @convention(c) (HandleResult, UInt32) -> Int32
    package let cuEventDestroy: @convention(c) (Handle) -> Int32
    package let cuEventRecordWithFlags: @convention(c) (Handle, Handle, UInt32) -> Int32
    package let cuEventQuery: @convention(c) (Handle) -> Int32
    package let cuEventSynchronize: @convention(c) (Handle) -> Int32
    package let cuEventElapsedTime: @convention(c) (UnsafeMutablePointer<Float>, Handle, Handle) -> Int32

    // Modules, functions, launch
    package let cuModuleLoadDataEx:
        @convention(c) (HandleResult, UnsafeRawPointer, UInt32, UnsafeMutablePointer<Int32>, HandleResult) -> Int32
    package let cuModuleUnload: @convention(c) (Handle) -> Int32
    package let cuLinkCreate: @convention(c) (UInt32, UnsafeMutablePointer<Int32>, HandleResult, HandleResult) -> Int32
    package let cuLinkAddData:
        @convention(c) (
            Handle, Int32, UnsafeMutableRawPointer, Int, UnsafePointer<CChar>, UInt32, UnsafeMutablePointer<Int32>?,
            HandleResult?
        ) -> Int32
    package let cuLinkComplete: @convention(c) (Handle, HandleResult, UnsafeMutablePointer<Int>) -> Int32
    package let cuLinkDestroy: @convention(c) (Handle) -> Int32
    package let cuModuleGetFunction: @convention(c) (HandleResult, Handle, UnsafePointer<CChar>) -> Int32
    package let cuFuncGetAttribute: @convention(c) (UnsafeMutablePointer<Int32>, Int32, Handle) -> Int32
    package let cuFuncSetAttribute: @convention(c) (Handle, Int32, Int32) -> Int32
    package let cuOccupancyMaxActiveBlocksPerMultiprocessor:
        @convention(c) (UnsafeMutablePointer<Int32>, Handle, Int32, Int) -> Int32
    package let cuOccupancyMaxActiveClusters:
        @convention(c) (UnsafeMutablePointer<Int32>, Handle, UnsafeRawPointer) -> Int32
    package let cuLaunchKernelEx: @convention(c) (UnsafeRawPointer, Handle, HandleResult?, HandleResult?) -> Int32

    // Graphs
    package let cuStreamBeginCapture: @convention(c) (Handle, Int32) -> Int32
    package let cuStreamEndCapture: @convention(c) (Handle, HandleResult) -> Int32
    package let cuStreamIsCapturing: @convention(c) (Handle, UnsafeMutablePointer<Int32>) -> Int32
    package let cuGraphGetNodes: @convention(c) (Handle, HandleResult?, UnsafeMutablePointer<Int>) -> Int32
    package let cuGraphInstantiateWithFlags: @convention(c) (HandleResult, Handle, UInt64) -> Int32
    package let cuGraphUpload: @convention(c) (Handle, Handle) -> Int32
    package let cuGraphLaunch: @convention(c) (Handle, Handle) -> Int32
    package let cuGraphExecDestroy: @convention(c) (Handle) -> Int32
    package let cuGraphDestroy: @convention(c) (Handle) -> Int32

    // Tensor maps
    package let cuTensorMapEncodeTiled:
        @convention(c) (
            UnsafeMutableRawPointer, Int32, UInt32, UnsafeMutableRawPointer?, UnsafePointer<UInt64>,
            UnsafePointer<UInt64>, UnsafePointer<UInt32>, UnsafePointer<UInt32>, Int32, Int32, Int32, Int32
        ) -> Int32

    /// Looks up every function. Throws `DriverError.symbolMissing` for the first that `library` lacks.
    package init(library: DynamicLibrary) throws {
        cuGetErrorName = try library.function("cuGetErrorName")
        cuGetErrorString = try library.function("cuGetErrorString")
        cuInit = try library.function("cuInit")
        cuDriverGetVersion = try library.function("cuDriverGetVersion")
        cuDeviceGetCount = try library.function("cuDeviceGetCount")
        cuDeviceGet = try library.function("cuDeviceGet")
        cuDeviceGetName = try library.function("cuDeviceGetName")
        cuDeviceGetAttribute = try library.function("cuDeviceGetAttribute")
        cuDeviceTotalMem = try library.function("cuDeviceTotalMem_v2")
        // The older one gives all partitions of a GPU the same.
        cuDeviceGetUuid =
            try (try? library.function("cuDeviceGetUuid_v2")) ?? library.function("cuDeviceGetUuid")
        cuDeviceCanAccessPeer = try library.function("cuDeviceCanAccessPeer")
        cuDeviceGetP2PAttribute = try library.function("cuDeviceGetP2PAttribute")
        cuDevicePrimaryCtxRetain = try library.function("cuDevicePrimaryCtxRetain")
        cuDevicePrimaryCtxRelease = try library.function("cuDevicePrimaryCtxRelease_v2")
        cuCtxGetCurrent = try library.function("cuCtxGetCurrent")
        cuCtxPushCurrent = try library.function("cuCtxPushCurrent_v2")
        cuCtxPopCurrent = try library.function("cuCtxPopCurrent_v2")
        cuCtxSynchronize = try library.function("cuCtxSynchronize")
        cuCtxGetLimit = try library.function("cuCtxGetLimit")
        cuCtxSetLimit = try library.function("cuCtxSetLimit")
        cuCtxGetStreamPriorityRange = try library.function("cuCtxGetStreamPriorityRange")
        cuMemGetInfo = try library.function("cuMemGetInfo_v2")
        cuMemAlloc = try library.function("cuMemAlloc_v2")
        cuMemFree = try library.function("cuMemFree_v2")
        cuMemHostAlloc = try library.function("cuMemHostAlloc")
        cuMemFreeHost = try library.function("cuMemFreeHost")
        cuMemHostGetDevicePointer = try library.function("cuMemHostGetDevicePointer_v2")
        cuMemcpyHtoD = try library.function("cuMemcpyHtoD_v2")
        cuMemcpyDtoH = try library.function("cuMemcpyDtoH_v2")
        cuMemcpyHtoDAsync = try library.function("cuMemcpyHtoDAsync_v2")
        cuMemcpyDtoHAsync = try library.function("cuMemcpyDtoHAsync_v2")
        cuMemcpyDtoDAsync = try library.function("cuMemcpyDtoDAsync_v2")
        cuMemsetD8 = try library.function("cuMemsetD8_v2")
        cuMemsetD32 = try library.function("cuMemsetD32_v2")
        cuMemsetD8Async = try library.function("cuMemsetD8Async")
        cuMemsetD32Async = try library.function("cuMemsetD32Async")
        cuPointerGetAttribute = try library.function("cuPointerGetAttribute")
        cuIpcGetMemHandle = try library.function("cuIpcGetMemHandle")
        cuIpcOpenMemHandle = try library.function("cuIpcOpenMemHandle_v2")
        cuIpcCloseMemHandle = try library.function("cuIpcCloseMemHandle")
        virtualMemory = try? VirtualMemoryFunctions(library: library)
        cuStreamCreateWithPriority = try library.function("cuStreamCreateWithPriority")
        cuStreamDestroy = try library.function("cuStreamDestroy_v2")
        cuStreamGetCtx = try library.function("cuStreamGetCtx")
        cuStreamSynchronize = try library.function("cuStreamSynchronize")
        cuStreamQuery = try library.function("cuStreamQuery")
        cuStreamWaitEvent = try library.function("cuStreamWaitEvent")
        cuEventCreate = try library.function("cuEventCreate")
        cuEventDestroy = try library.function("cuEventDestroy_v2")
        cuEventRecordWithFlags = try library.function("cuEventRecordWithFlags")
        cuEventQuery = try library.function("cuEventQuery")
        cuEventSynchronize = try library.function("cuEventSynchronize")
        cuEventElapsedTime = try library.function("cuEventElapsedTime")
        cuModuleLoadDataEx = try library.function("cuModuleLoadDataEx")
        cuModuleUnload = try library.function("cuModuleUnload")
        cuLinkCreate = try library.function("cuLinkCreate_v2")
        cuLinkAddData = try library.function("cuLinkAddData_v2")
        cuLinkComplete = try library.function("cuLinkComplete")
        cuLinkDestroy = try library.function("cuLinkDestroy")
        cuModuleGetFunction = try library.function("cuModuleGetFunction")
        cuFuncGetAttribute = try library.function("cuFuncGetAttribute")
        cuFuncSetAttribute = try library.function("cuFuncSetAttribute")
        cuOccupancyMaxActiveBlocksPerMultiprocessor =
            try library.function("cuOccupancyMaxActiveBlocksPerMultiprocessor")
        cuOccupancyMaxActiveClusters = try library.function("cuOccupancyMaxActiveClusters")
        cuLaunchKernelEx = try library.function("cuLaunchKernelEx")
        cuStreamBeginCapture = try library.function("cuStreamBeginCapture_v2")
        cuStreamEndCapture = try library.function("cuStreamEndCapture")
        cuStreamIsCapturing = try library.function("cuStreamIsCapturing")
        cuGraphGetNodes = try library.function("cuGraphGetNodes")
        cuGraphInstantiateWithFlags = try library.function("cuGraphInstantiateWithFlags")
        cuGraphUpload = try library.function("cuGraphUpload")
        cuGraphLaunch = try library.function("cuGraphLaunch")
        cuGraphExecDestroy = try library.function("cuGraphExecDestroy")
        cuGraphDestroy = try library.function("cuGraphDestroy")
        cuTensorMapEncodeTiled = try library.function("cuTensorMapEncodeTiled")
    }
}
