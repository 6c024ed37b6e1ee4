import KernelLanguage
import PTX
import TestSupport
import Testing

/// Spellings where a plausible mistake would still assemble.
@Suite struct TextTests {
    /// The instruction lines that an operation is printed as.
    private func lines(_ body: (inout RawKernel) -> Void) -> [String] {
        var raw = RawKernel("text")
        body(&raw)
        return raw.kernel.ptx(locations: .none).split(separator: "\n").map { $0.drop { $0 == " " } }.map(String.init)
    }

    private func line(containing part: String, _ body: (inout RawKernel) -> Void) -> String? {
        lines(body).first { $0.contains(part) }
    }

    @Test func literals() {
        func move(_ type: ScalarType, _ bits: UInt64) -> String? {
            lines { k in k.emit(.move(k.register(type), .constant(bits))) }.last { $0.hasPrefix("mov") }
        }
        #expect(move(.float32, UInt64(Float(1).bitPattern)) == "mov.f32 %f0, 0f3F800000;")
        #expect(move(.float32, 1) == "mov.f32 %f0, 0f00000001;")
        #expect(move(.int32, 0xFFFF_FFFF) == "mov.b32 %r1, -1;")
        #expect(move(.uint32, 0xFFFF_FFFF) == "mov.b32 %r1, 4294967295;")
        #expect(move(.uint64, .max) == "mov.b64 %rd1, 0xFFFFFFFFFFFFFFFFU;")
        #expect(move(.bfloat16, 0x3F80) == "mov.b16 %h0, 16256;")
        #expect(move(.bool, 1) == "mov.pred %p0, 1;")
    }

    /// The first source of a packed conversion goes to the high half.
    @Test func packingOrder() {
        let operands = [UInt64(Float(1).bitPattern), UInt64(Float(2).bitPattern)].map(Operand.constant)
        let text = lines { k in k.emit(.pack(.bfloat16Pair, k.register(.uint32), operands)) }
        #expect(text.contains("mov.f32 %f0, 0f3F800000;"))
        #expect(text.contains("cvt.rn.bf16x2.f32 %r1, %f1, %f0;"))
    }

    @Test func floatArithmeticRoundsEachStep() {
        for (operation, expected) in [
            (BinaryOperation.add, "add.rn.f32"), (.subtract, "sub.rn.f32"), (.multiply, "mul.rn.f32"),
            (.divide, "div.rn.f32"),
        ] {
            let text = lines { k in
                let a = k.value(.float32)
                k.emit(.binary(operation, k.register(.float32), a, a))
            }
            #expect(text.contains { $0.hasPrefix(expected) })
        }
    }

    @Test func comparisonsOfFloats() {
        func compare(_ comparison: Comparison, _ type: ScalarType) -> String? {
            line(containing: "setp") { k in
                let a = k.value(type)
                k.emit(.compare(comparison, type, k.register(.bool), a, a))
            }
        }
        #expect(compare(.notEqual, .float32)?.hasPrefix("setp.neu.f32") == true)
        #expect(compare(.notEqual, .uint32)?.hasPrefix("setp.ne.u32") == true)
        #expect(compare(.less, .int32)?.hasPrefix("setp.lt.s32") == true)
        #expect(compare(.less, .uint64)?.hasPrefix("setp.lt.u64") == true)
    }

    /// Orders and scopes are what races are made of.
    @Test func ordersAndScopes() {
        func loads(_ access: MemoryAccess) -> [String] {
            lines { k in k.emit(.load(access, [k.register(.uint32)], k.address(access.space))) }
                .filter { $0.hasPrefix("ld.") && !$0.hasPrefix("ld.param") }
        }
        let acquire = MemoryAccess(.uint32, .global, order: .acquire(.system))
        #expect(loads(acquire) == ["ld.acquire.sys.global.b32 %r1, [%rd0];"])
        let coherent = MemoryAccess(.uint32, .global, order: .relaxed(.gpu), cache: .readOnly)
        #expect(loads(coherent) == ["ld.relaxed.gpu.global.b32 %r1, [%rd0];"])
        let plain = MemoryAccess(.uint32, .global, cache: .readOnly)
        #expect(loads(plain) == ["ld.global.nc.b32 %r1, [%rd0];"])
        func add(_ order: MemoryOrder) -> String? {
            line(containing: "global.add") { k in
                let access = MemoryAccess(.uint32, .global, order: order)
                k.emit(.atomic(.add, access, nil, k.address(.global), .constant(1), compare: nil))
            }
        }
        #expect(add(.release(.gpu)) == "red.release.gpu.global.add.u32 [%rd0], 1;")
        #expect(add(.acquireRelease(.gpu)) == "atom.acq_rel.gpu.global.add.u32 %r1, [%rd0], 1;")
    }

    @Test func fences() {
        #expect(line(containing: "fence") { k in k.emit(.fence(.acquireRelease(.gpu))) } == "fence.acq_rel.gpu;")
        for (scope, spelling) in [(MemoryScope.block, "cta"), (.gpu, "gpu"), (.system, "sys")] {
            let text = line(containing: "fence") { k in k.emit(.fence(.sequentiallyConsistent(scope))) }
            #expect(text == "fence.sc.\(spelling);")
        }
    }

    /// Compare-and-swap takes the compared value first.
    @Test func compareAndSwapOrder() {
        let text = line(containing: "cas") { k in
            let access = MemoryAccess(.uint32, .global, order: .relaxed(.gpu))
            let result = k.register(.uint32)
            k.emit(.atomic(.compareAndSwap, access, result, k.address(.global), .constant(5), compare: .constant(3)))
        }
        #expect(text == "atom.relaxed.gpu.global.cas.b32 %r1, [%rd0], 3, 5;")
    }

    @Test func cachePolicyIsMadeOnce() {
        let text = lines { k in
            for cache in [CacheHint.evictFirst, .evictLast, .evictFirst] {
                k.emit(.load(MemoryAccess(.uint32, .global, cache: cache), [k.register(.uint32)], k.address(.global)))
            }
        }
        #expect(text.filter { $0.hasPrefix("createpolicy") }.count == 2)
        #expect(text.filter { $0.contains("L2::cache_hint") }.count == 3)
    }

    @Test func locationsAndDeterminism() {
        var raw = RawKernel("text")
        raw.emit(.syncWarp)
        let kernel = raw.kernel
        #expect(kernel.ptx().contains("// PTXTests/text:1\n"))
        #expect(kernel.ptx().split(separator: "// PTXTests/text:1").count == 2)
        #expect(!kernel.ptx(locations: .none).contains("//"))
        #expect(kernel.ptx() == kernel.ptx())
    }

    /// Files are numbered through the module, and a line is said where it changes.
    @Test func locationDirectives() {
        func kernel(_ name: String, _ lines: [(file: String, line: Int)]) -> Kernel {
            var kernel = RawKernel(name).kernel
            kernel.body = Block(lines.map { Instruction(.syncWarp, at: SourceLocation(file: $0.file, line: $0.line)) })
            return kernel
        }
        let kernels = [
            kernel("first", [("M/A.swift", 1), ("M/A.swift", 1), ("M/B.swift", 7), ("", 0)]),
            kernel("second", [("M/B.swift", 8), ("M/C.swift", 2)]),
        ]
        let text = PTXModule(kernels, locations: .directives).text
        let found = text.split(separator: "\n").map { $0.drop { $0 == " " } }
            .filter { $0.hasPrefix(".loc") || $0.hasPrefix(".file") }
        #expect(
            found == [
                ".loc 1 1 0", ".loc 2 7 0", ".loc 2 8 0", ".loc 3 2 0", ".file 1 \"M/A.swift\"",
                ".file 2 \"M/B.swift\"", ".file 3 \"M/C.swift\"",
            ])
        #expect(!text.contains("//"))
        // Nothing else changes.
        let plain = PTXModule(kernels, locations: .none).text
        let rest = text.split(separator: "\n").filter { !$0.contains(".loc ") && !$0.contains(".file ") }
        #expect(rest == plain.split(separator: "\n"))
    }

    @Test func differences() {
        #expect(difference(from: "a\nb\nc\nd", to: "a\nb\nx\nd") == "@@ line 3 @@\n a\n b\n-c\n+x")
        #expect(difference(from: "a", to: "a") == "")
        #expect(difference(from: "a", to: "a\nb") == "@@ line 2 @@\n a\n+b")
    }
}
