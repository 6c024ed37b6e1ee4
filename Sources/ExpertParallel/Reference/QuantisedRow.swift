import KernelLanguage

/// A token's channels in FP8 E4M3 with one FP32 scale for each 128 of them, as the kernels exchange it.
package struct QuantisedRow: Hashable, Sendable {
    /// Channels that share a scale.
    package static let block = 128

    /// E4M3 codes, one for each channel.
    package var values: [UInt8]
    /// One scale for each 128 channels; a channel's value is code x scale.
    package var scales: [Float]

    /// A row of these codes and scales.
    package init(values: [UInt8], scales: [Float]) {
        self.values = values
        self.scales = scales
    }

    /// Quantises a row in FP32 arithmetic: per block of 128 channels, the scale is the largest magnitude / 448, or 1
    /// when all are zero, and each code is `Float8E4M3(x * (448 / largest))`.
    ///
    /// The number of channels is a multiple of 128; channels after the last whole block are left out.
    package init(quantising row: some RandomAccessCollection<Float>) {
        values = []
        scales = []
        values.reserveCapacity(row.count)
        var start = row.startIndex
        for _ in 0..<row.count / Self.block {
            let end = row.index(start, offsetBy: Self.block)
            let largest = row[start..<end].reduce(Float(0)) { max($0, $1.magnitude) }
            scales.append(largest == 0 ? 1 : largest / Float8E4M3.largest)
            // The quotient of a tiny magnitude is infinite, and infinity times zero would be NaN.
            let inverse = largest == 0 ? 1 : min(Float8E4M3.largest / largest, .greatestFiniteMagnitude)
            for value in row[start..<end] {
                values.append(Float8E4M3(value * inverse).bits)
            }
            start = end
        }
    }

    /// The value of one channel, exact.
    package subscript(channel: Int) -> Double {
        Double(Float8E4M3(bits: values[channel]).float) * Double(scales[channel / Self.block])
    }
}
