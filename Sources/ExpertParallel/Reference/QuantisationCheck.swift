import ExpertKernels
import KernelLanguage

/// Checks that an observed row is a correct quantisation of exact values.
struct QuantisationCheck {
    let stage: QuantisationDifference.Stage
    let row: ReferenceRow
    let scaleFormat: ScaleFormat
    let slack: Double
    let scaleTolerance: Double

    /// The first difference, or nil.
    ///
    /// `exact[channel]` is the reference's value; `range(channel)` the values that correct kernels may have had
    /// instead, evaluated only when the exact value does not fit.
    func firstDifference(
        observed: QuantisedRow, exact: UnsafeBufferPointer<Double>, range: (Int) -> ClosedRange<Double>
    ) -> QuantisationDifference? {
        let block = QuantisedRow.block
        for start in stride(from: 0, to: exact.count, by: block) {
            let scale = Double(observed.scales[start / block])
            let channels = start..<min(start + block, exact.count)
            if let difference = scaleDifference(scale, channels, exact: exact, range: range) {
                return difference
            }
            for channel in channels {
                let value = Float8E4M3(bits: observed.values[channel]).float
                if let difference = valueDifference(
                    Double(value), scale: scale, channel: channel, exact: exact[channel], range: range)
                {
                    return difference
                }
            }
        }
        return nil
    }

    private func scaleDifference(
        _ scale: Double, _ channels: Range<Int>, exact: UnsafeBufferPointer<Double>,
        range: (Int) -> ClosedRange<Double>
    ) -> QuantisationDifference? {
        let largest = channels.reduce(0) { max($0, exact[$1].magnitude) }
        let own = self.scale(ofLargest: largest)
        let limit = scaleFormat.isPowerOfTwo ? 0 : own * scaleTolerance + Self.rounding
        if (scale - own).magnitude <= limit { return nil }
        // The largest value may have been rounded to either of two BF16 numbers.
        var low = 0.0
        var high = 0.0
        for channel in channels {
            let values = range(channel)
            high = max(high, values.lowerBound.magnitude, values.upperBound.magnitude)
            if !values.contains(0) {
                low = max(low, min(values.lowerBound.magnitude, values.upperBound.magnitude))
            }
        }
        let (lowest, highest) = scales(ofLargest: low, to: high)
        if scale >= max(0, lowest), scale <= highest, scale > 0 || low == 0,
            !scaleFormat.isPowerOfTwo || scale == scale.binade
        {
            return nil
        }
        if low == 0, scale == 1 { return nil }
        return QuantisationDifference(
            stage: stage, part: .scale, row: row, channel: channels.lowerBound, observed: scale, expected: own,
            limit: max(limit, own - lowest, highest - own))
    }

    private func valueDifference(
        _ code: Double, scale: Double, channel: Int, exact: Double, range: (Int) -> ClosedRange<Double>
    ) -> QuantisationDifference? {
        func limit(_ value: Double) -> Double {
            // At the border between two step sizes the smaller one counts.
            (0.5 + slack) * min(Self.step(value), Self.step(code))
        }
        let factor = Self.factor(of: scale)
        let wanted = Self.saturated(exact * factor)
        if (code - wanted).magnitude <= limit(wanted) { return nil }
        let values = range(channel)
        let nearest = min(
            max(code, Self.saturated(values.lowerBound * factor)), Self.saturated(values.upperBound * factor))
        if (code - nearest).magnitude <= limit(nearest) { return nil }
        return QuantisationDifference(
            stage: stage, part: .value, row: row, channel: channel, observed: code * scale, expected: exact,
            limit: ((nearest - wanted).magnitude + limit(nearest)) * scale)
    }

    private func scale(ofLargest largest: Double) -> Double {
        if scaleFormat.isPowerOfTwo { return QuantisedRow.powerOfTwo(ofLargest: largest) }
        return largest == 0 ? 1 : largest / Double(Float8E4M3.largest)
    }

    /// The least and the greatest scale of channels whose largest magnitude is from `low` to `high`.
    private func scales(ofLargest low: Double, to high: Double) -> (lowest: Double, highest: Double) {
        if scaleFormat.isPowerOfTwo {
            let least = Double(Float.leastNonzeroMagnitude)
            return (
                QuantisedRow.powerOfTwo(ofLargest: max(least, low * (1 - scaleTolerance))),
                QuantisedRow.powerOfTwo(ofLargest: max(least, high * (1 + scaleTolerance)))
            )
        }
        return (
            low / Double(Float8E4M3.largest) * (1 - scaleTolerance) - Self.rounding,
            high / Double(Float8E4M3.largest) * (1 + scaleTolerance) + Self.rounding
        )
    }

    /// The largest rounding error of FP32 numbers near zero: half of the least one.
    private static let rounding = Double(Float.leastNonzeroMagnitude) / 2

    /// The factor that turns values into codes. Its largest value is FP32's: in a block whose largest magnitude is
    /// below 448 / 3.4e38, about 1.3e-36, codes use only a part of E4M3's range, and end as 0.
    private static func factor(of scale: Double) -> Double {
        min(1 / scale, Double(Float.greatestFiniteMagnitude))
    }

    private static func saturated(_ value: Double) -> Double {
        min(max(value, -Double(Float8E4M3.largest)), Double(Float8E4M3.largest))
    }

    /// The distance between E4M3 numbers around a value of at most 448.
    private static func step(_ value: Double) -> Double {
        let magnitude = value.magnitude
        guard magnitude >= 0x1p-6 else { return 0x1p-9 }
        return magnitude.binade * 0x1p-3
    }
}
