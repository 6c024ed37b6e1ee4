import ExpertParallel
import KernelLanguage
import Testing

@Suite("Output comparison")
struct OutputComparisonTests {
    @Test("Relative error")
    func relative() {
        #expect(relativeError([3, 4], [3, 4]) == 0)
        #expect(relativeError([0, 0], [3, 4]) == 1)
        #expect(abs(relativeError([3, 4.5], [3, 4]) - 0.1) < 1e-12)
        #expect(relativeError([Double](), []) == 0)
        #expect(relativeError([BFloat16(Float(2))], [1]) == 1)
        for output in [[3, .nan], [3, .infinity], [3], [3, 4, 5]] {
            #expect(relativeError(output, [3, 4]) == .infinity)
        }
        #expect(relativeError([1.0], [0]) == .infinity)
        #expect(relativeError([0.0], [0]) == 0)
        #expect(relativeError([1.0], [.nan]) == .infinity)
        #expect(relativeError([1.0], [.infinity]) == .infinity)
    }

    @Test("Cosine distance")
    func cosine() {
        #expect(cosineDistance([3, 4], [3, 4]) == 0)
        #expect(cosineDistance([1, 0], [0, 1]) == 1)
        #expect(cosineDistance([1.0], [-1]) == 2)
        #expect(cosineDistance([0.0], [0]) == 0)
        #expect(abs(cosineDistance([2.0], [1]) - 0.2) < 1e-15)
        #expect(cosineDistance([BFloat16(Float(2))], [2]) == 0)
        for output in [[3, .nan], [3, .infinity], [3]] {
            #expect(cosineDistance(output, [3, 4]) == .infinity)
        }
    }

    @Test("The first difference has rank, token, channel and both values")
    func first() {
        let zeros = [BFloat16](repeating: BFloat16(bits: 0), count: 6)
        var other = zeros
        other[4] = BFloat16(Float(2))
        #expect(firstDifference([zeros, zeros], [zeros, zeros], hidden: 3) == nil)
        let found = firstDifference([zeros, other], [zeros, zeros], hidden: 3)
        #expect(found == OutputDifference(rank: 1, token: 1, channel: 1, value: 2, expected: 0))
        #expect(found?.description == "rank 1, token 1, channel 1: 2.0 instead of 0.0")
        other[4] = BFloat16(bits: 0x8000)
        #expect(firstDifference([other], [zeros], hidden: 3)?.channel == 1)
        let short = firstDifference([Array(zeros[..<5])], [zeros], hidden: 3)
        #expect(short == OutputDifference(rank: 0, token: 1, channel: 2, value: nil, expected: 0))
        #expect(firstDifference([zeros], [zeros, zeros], hidden: 3)?.rank == 1)
    }

    @Test("With a tolerance, NaN is a difference")
    func tolerance() {
        #expect(firstDifference([[1, 2.1]], [[1, 2]], hidden: 2, absolute: 0, relative: 0.06) == nil)
        #expect(firstDifference([[1, 2.1]], [[1, 2]], hidden: 2, absolute: 0.01, relative: 0.01)?.channel == 1)
        #expect(firstDifference([[1, .nan]], [[1, 2]], hidden: 2, absolute: 9, relative: 9)?.channel == 1)
        #expect(firstDifference([[1, 2]], [[1, .nan]], hidden: 2, absolute: 9, relative: 9)?.channel == 1)
    }
}
