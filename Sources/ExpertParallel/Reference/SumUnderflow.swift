import ExpertKernels
import KernelLanguage

/// How far a projection's sums may be from exact ones because a product of two scales underflows in FP32.
///
/// Kernels multiply a row's scale with a weight block's, in FP32, and the sum of 128 products of codes with the result.
/// A product of scales below the least normal number is rounded to a multiple of 2^-149, whatever fraction of it that
/// is.
struct SumUnderflow {
    private let blocks: Int
    private let smallest: Float

    init(of weight: QuantisedMatrix) {
        blocks = ScaleGroup.groups(weight.columns)
        smallest = weight.scales.reduce(.infinity) { $1 == 0 ? $0 : min($0, $1.magnitude) }
    }

    /// The bound for a row whose smallest scale, of those that are not 0, is `scale`; 0 where no product underflows.
    func bound(_ scale: Float) -> Double {
        guard Double(scale) * Double(smallest) < Double(Float.leastNormalMagnitude) else { return 0 }
        let largestCode = Double(Float8E4M3.largest)
        let largestSum = Double(QuantisedMatrix.block) * largestCode * largestCode
        return Double(blocks) * (largestSum + 1) * Double(Float.leastNonzeroMagnitude) / 2
    }
}
