import CUDADriver
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Whether this machine has the driver's library, found out without the code under test.
let libraryExists = Driver.candidates.contains { dlopen($0, RTLD_NOW | RTLD_LOCAL) != nil }

/// Expects that loading fails and that the error explains itself.
func expectLibraryMissing() {
    do {
        _ = try Driver.load()
        Issue.record("there is no libcuda.so.1, but loading the driver succeeded")
    } catch DriverError.libraryMissing(let attempts) {
        #expect(attempts.map(\.path) == Driver.candidates)
        #expect("\(DriverError.libraryMissing(attempts: attempts))".contains("libcuda.so.1"))
    } catch {
        Issue.record("wrong error: \(error)")
    }
}

/// Runs `body` on GPU 0. On a machine without the driver it expects instead that making a context says so, and on a
/// machine with a driver but no fitting GPU the test fails with the driver's error.
func withGPU(_ body: (Context) throws -> Void) throws {
    guard libraryExists else {
        expectLibraryMissing()
        do {
            _ = try Context()
            Issue.record("there is no libcuda.so.1, but a context was made")
        } catch DriverError.libraryMissing {
            return
        }
        return
    }
    try body(try Context())
}

extension FixedWidthInteger {
    /// The value's bytes as a kernel argument.
    var argument: [UInt8] { withUnsafeBytes(of: littleEndian) { Array($0) } }
}

/// Kernels for the tests.
let testKernels = """
    .version 8.3
    .target sm_90a
    .address_size 64

    // Each thread adds its global number and the increment to its word, and the size of its cluster times 65536.
    .visible .entry add(.param .u64 words, .param .u32 increment)
    {
        .reg .u64 %a, %o;
        .reg .u32 %v, %b, %n, %t, %i, %c;
        ld.param.u64 %a, [words];
        cvta.to.global.u64 %a, %a;
        ld.param.u32 %v, [increment];
        mov.u32 %b, %ctaid.x;
        mov.u32 %n, %ntid.x;
        mov.u32 %t, %tid.x;
        mad.lo.u32 %i, %b, %n, %t;
        mul.wide.u32 %o, %i, 4;
        add.u64 %a, %a, %o;
        add.u32 %v, %v, %i;
        mov.u32 %c, %cluster_nctaid.x;
        shl.b32 %c, %c, 16;
        add.u32 %v, %v, %c;
        ld.global.u32 %i, [%a];
        add.u32 %v, %v, %i;
        st.global.u32 [%a], %v;
        ret;
    }

    // Copies the first 4 words of a 128-byte parameter, the first increased by a 1-byte parameter.
    .visible .entry echo(.param .u8 first, .param .align 64 .b8 block[128], .param .u64 words)
    {
        .reg .u64 %a;
        .reg .u32 %v0, %v1, %v2, %v3, %f;
        ld.param.u64 %a, [words];
        cvta.to.global.u64 %a, %a;
        ld.param.v4.u32 {%v0, %v1, %v2, %v3}, [block];
        ld.param.u8 %f, [first];
        add.u32 %v0, %v0, %f;
        st.global.v4.u32 [%a], {%v0, %v1, %v2, %v3};
        ret;
    }
    """
