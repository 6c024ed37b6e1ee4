// The driver takes the 64-byte handle by value:
//
//     CUresult cuIpcOpenMemHandle_v2(CUdeviceptr *address, CUipcMemHandle handle, unsigned int flags);
//
// Swift cannot write a 64-byte structure in a C function type without a C header, so the call is spelled as the
// platform's calling convention passes it.

#if arch(x86_64)

    /// `cuIpcOpenMemHandle_v2` as the System V x86-64 convention sees it: a structure of more than 16 bytes is copied
    /// onto the stack, while address and flags travel in the first two integer registers. Four unused words fill the
    /// remaining registers, so that the eight words of the handle go to the stack, in order and without gaps.
    package typealias IPCOpenFunction =
        @convention(c) (
            UnsafeMutablePointer<UInt64>, UInt32, UInt64, UInt64, UInt64, UInt64,
            UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64
        ) -> Int32

    /// Calls `open` with the eight words of a handle.
    package func callIPCOpen(
        _ open: IPCOpenFunction, _ address: UnsafeMutablePointer<UInt64>, _ words: [UInt64], _ flags: UInt32
    ) -> Int32 {
        open(
            address, flags, 0, 0, 0, 0,
            words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7])
    }

#else

    /// `cuIpcOpenMemHandle_v2` as the 64-bit Arm convention sees it: a structure of more than 16 bytes is passed as the
    /// address of a copy.
    package typealias IPCOpenFunction =
        @convention(c) (UnsafeMutablePointer<UInt64>, UnsafeRawPointer, UInt32) -> Int32

    /// Calls `open` with the eight words of a handle.
    package func callIPCOpen(
        _ open: IPCOpenFunction, _ address: UnsafeMutablePointer<UInt64>, _ words: [UInt64], _ flags: UInt32
    ) -> Int32 {
        words.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return 1 }
            return open(address, base, flags)
        }
    }

#endif
