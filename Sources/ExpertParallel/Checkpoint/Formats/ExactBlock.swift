import KernelLanguage

/// Finds a scale by which all numbers of a block are E4M3 numbers.
enum ExactBlock {
    /// E4M3 numbers with the most binary places above them, one for each mantissa: what the largest number may become.
    private static let largestCodes: [Double] = [448, 416, 384, 352, 320, 288, 256, 240]

    /// The scale and the codes, row by row; nil if there is no such scale in FP32's normal range. Zeros have the scale
    /// 1.
    ///
    /// The largest number is code x scale, so its code decides the scale. Codes that are twice another give half the
    /// scale and no more room, and so one code for each of the eight mantissas is tried, the largest of its kind.
    static func codes(of block: [Double]) -> (scale: Float, codes: [UInt8])? {
        let largest = block.reduce(0) { max($0, $1.magnitude) }
        if largest == 0 { return (1, [UInt8](repeating: 0, count: block.count)) }
        for code in largestCodes {
            let scale = Float(largest / code)
            guard scale >= .leastNormalMagnitude, scale.isFinite, Double(scale) * code == largest else { continue }
            if let codes = codes(of: block, scale: Double(scale)) { return (scale, codes) }
        }
        return nil
    }

    private static func codes(of block: [Double], scale: Double) -> [UInt8]? {
        var codes: [UInt8] = []
        codes.reserveCapacity(block.count)
        for value in block {
            let code = Float8E4M3(Float(value / scale))
            // A product of 24 and 4 bits is exact.
            guard Double(code.float) * scale == value else { return nil }
            codes.append(code.bits)
        }
        return codes
    }
}
