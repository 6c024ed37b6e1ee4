import CUDADriver
import Testing

@Suite struct TensorMapLayoutTests {
    /// FP8 weights `[16, 4096, 7168]` in boxes of 64 rows by 128 bytes.
    private let weights = TensorMapLayout(
        element: .uint8, dimensions: [7168, 4096, 16], strides: [7168, 7168 * 4096], box: [128, 64, 1],
        swizzle: .bytes128)

    private func error(
        _ address: UInt64 = 0x7f00_0000_0000, _ change: (inout TensorMapLayout) -> Void
    ) -> TensorMapError? {
        var layout = weights
        change(&layout)
        do {
            try layout.check(address: address)
            return nil
        } catch {
            return error as? TensorMapError
        }
    }

    @Test("Layouts that keep the rules are accepted, those at the limits included")
    func accepted() throws {
        try weights.check(address: 16)
        #expect(error { $0.box = [128, 256, 256] } == nil)
        #expect(error { $0.strides = [16, (1 << 40) - 16] } == nil)
        #expect(error { $0.dimensions = [1 << 32, 1, 1] } == nil)
        for rank in 1...5 {
            let layout = TensorMapLayout(
                element: .bfloat16, dimensions: [Int](repeating: 64, count: rank),
                strides: [Int](repeating: 128, count: rank - 1), box: [64] + [Int](repeating: 1, count: rank - 1),
                swizzle: .bytes128)
            try layout.check(address: 0)
        }
        for element in TensorMapElement.allCases {
            for swizzle in TensorMapSwizzle.allCases {
                let inner = (swizzle.span ?? 256) / element.byteCount
                try TensorMapLayout(element: element, dimensions: [4096], strides: [], box: [inner], swizzle: swizzle)
                    .check(address: 0)
            }
        }
    }

    @Test("Each broken rule is refused by its own error, which names the value")
    func refused() {
        #expect(
            error {
                $0.dimensions = []
                $0.box = []
                $0.strides = []
            } == .rank(0))
        #expect(error { $0.dimensions = [1, 1, 1, 1, 1, 1] } == .rank(6))
        #expect(error { $0.box = [128, 64] } == .boxCount(2, rank: 3))
        #expect(error { $0.strides = [1, 7168, 7168 * 4096] } == .strideCount(3, rank: 3))
        #expect(error(0x1008) { _ in } == .address(0x1008))
        #expect(error { $0.dimensions[1] = 0 } == .dimension(0, index: 1))
        #expect(error { $0.dimensions[2] = 1 << 32 + 1 } == .dimension(1 << 32 + 1, index: 2))
        #expect(error { $0.strides[0] = 7160 } == .stride(7160, index: 1))
        #expect(error { $0.strides[1] = 1 << 40 } == .stride(1 << 40, index: 2))
        #expect(error { $0.strides[1] = -16 } == .stride(-16, index: 2))
        #expect(error { $0.strides[1] = 0 } == .stride(0, index: 2))
        #expect(error { $0.box[1] = 257 } == .box(257, index: 1))
        #expect(error { $0.box[1] = 0 } == .box(0, index: 1))
        #expect(error { $0.box[1] = Int.max } == .box(Int.max, index: 1))
        #expect(error { $0.box[0] = 120 } == .innerBox(bytes: 120))
        #expect(error { $0.box[0] = 144 } == .swizzle(span: 128, innerBytes: 144))
        #expect(error { $0.swizzle = .bytes64 } == .swizzle(span: 64, innerBytes: 128))
        #expect("\(TensorMapError.swizzle(span: 64, innerBytes: 128))".contains("at most 64"))
        #expect("\(TensorMapError.address(0x1008))".contains("0x1008"))
    }

    @Test("Raw values are the driver's numbers")
    func rawValues() {
        #expect(TensorMapElement.allCases.map(\.rawValue) == Array(0...9))
        #expect(TensorMapElement.uint8.rawValue == 0 && TensorMapElement.bfloat16.rawValue == 9)
        #expect(TensorMapElement.float32.rawValue == 7)
        #expect(TensorMapSwizzle.allCases.map(\.span) == [nil, 32, 64, 128])
        #expect(TensorMapSwizzle.bytes128.rawValue == 3)
        #expect(TensorMapL2Promotion.bytes256.rawValue == 3)
    }
}
