import ExpertKernels
import Testing

/// Which sizes kernels can be built for, and how the others are refused.
@Suite("Layer shape")
struct LayerShapeTests {
    private struct Sizes {
        var hidden = 256
        var intermediate = 128
        var experts = 8
        var topK = 2
        var ranks = 2
        var maxTokens = 16
        var sharedExperts = 0

        func shape() throws(ShapeError) -> LayerShape {
            try LayerShape(
                hidden: hidden, intermediate: intermediate, experts: experts, topK: topK, ranks: ranks,
                maxTokens: maxTokens, sharedExperts: sharedExperts)
        }
    }

    private func refused(_ change: (inout Sizes) -> Void) -> String? {
        var sizes = Sizes()
        change(&sizes)
        do throws(ShapeError) {
            _ = try sizes.shape()
            return nil
        } catch {
            return "\(error)"
        }
    }

    @Test("The smallest and the largest of each size are taken")
    func bounds() {
        for hidden in [128, 12_800] { #expect(refused { $0.hidden = hidden } == nil) }
        for intermediate in [128, 65_536] { #expect(refused { $0.intermediate = intermediate } == nil) }
        for experts in [2, 1_024] { #expect(refused { $0.experts = experts } == nil) }
        for maxTokens in [1, 4_096] { #expect(refused { $0.maxTokens = maxTokens } == nil) }
        for sharedExperts in [0, 8] { #expect(refused { $0.sharedExperts = sharedExperts } == nil) }
        #expect(refused { ($0.experts, $0.topK) = (64, 32) } == nil)
        #expect(refused { ($0.ranks, $0.experts) = (256, 256) } == nil)
    }

    @Test("A size out of range is refused by name, with the range")
    func refusals() {
        #expect(refused { $0.hidden = 0 } == "hidden is 0; choose a multiple of 8 from 8 to 12800")
        #expect(refused { $0.hidden = 204 } == "hidden is 204; choose a multiple of 8 from 8 to 12800")
        #expect(refused { $0.hidden = 12_928 } == "hidden is 12928; choose a multiple of 8 from 8 to 12800")
        #expect(
            refused { $0.intermediate = -128 } == "intermediate is -128; choose a multiple of 8 from 8 to 65536")
        #expect(refused { $0.ranks = 0 } == "ranks is 0; choose from 1 to 256")
        #expect(refused { $0.experts = 7 } == "experts is 7; choose a multiple of 2 from 2 to 1024")
        #expect(refused { $0.topK = 0 } == "topK is 0; choose from 1 to 8")
        #expect(refused { $0.topK = 9 } == "topK is 9; choose from 1 to 8")
        #expect(refused { $0.maxTokens = 4_097 } == "maxTokens is 4097; choose from 1 to 4096")
        #expect(refused { $0.sharedExperts = 9 } == "sharedExperts is 9; choose from 0 to 8")
        #expect(refused { $0.hidden = .min } != nil)
        #expect(refused { $0.experts = .max } != nil)
    }

    @Test("A link says its speed, and one out of range is refused")
    func links() throws {
        let link = try LinkModel(bytesPerSecond: 50e9, latencyNanoseconds: 5_000)
        #expect("\(link)" == "50.0 GB/s, 5.0 µs")
        #expect(link.microseconds(bytes: 50_000) == 6)
        for bytesPerSecond in [0, 9e7, 2e13, .infinity, .nan, -1] {
            #expect(throws: ShapeError.self) {
                try LinkModel(bytesPerSecond: bytesPerSecond, latencyNanoseconds: 0)
            }
        }
        #expect(throws: ShapeError(name: "link latency in ns", value: -1, range: 0...1_000_000_000, step: 1)) {
            try LinkModel(bytesPerSecond: 1e9, latencyNanoseconds: -1)
        }
    }
}
