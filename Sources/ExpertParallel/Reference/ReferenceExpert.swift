import ExpertKernels
import KernelLanguage

/// One expert on some tokens, in FP64 with the roundings of a model.
struct ReferenceExpert {
    let weights: ExpertWeights
    let model: QuantisationModel
    let scaleFormat: ScaleFormat
    let activation: ReferenceActivation
    let observed: ObservedQuantisation?

    private var hidden: Int { weights.gate.columns }
    private var intermediate: Int { weights.gate.rows }

    /// The down projection's outputs `[rows, hidden]`.
    ///
    /// `input(row)` gives the exact hidden state of a row. Throws `observedDiffers`, and what the observation throws.
    func outputs(rows: [ReferenceRow], input: (Int) -> [Float]) throws -> [Double] {
        let (x, inputScales) = try activations(rows: rows, input: input)
        let gate = exactProduct(x, weights.gate)
        let up = exactProduct(x, weights.up)
        let (gateUnderflow, upUnderflow) = (SumUnderflow(of: weights.gate), SumUnderflow(of: weights.up))
        let downUnderflow = SumUnderflow(of: weights.down)
        var a = ExactActivations(rows: rows.count, columns: intermediate)
        var activationScales = inputScales
        for (index, row) in rows.enumerated() {
            let range = index * intermediate..<(index + 1) * intermediate
            try gate[range].withUnsafeBufferPointer { gate in
                try up[range].withUnsafeBufferPointer { up in
                    let underflow = inputScales[index].map { (gateUnderflow.bound($0), upUnderflow.bound($0)) }
                    activationScales[index] = try setActivation(
                        &a, index: index, row: row, gate: gate, up: up, underflow: underflow ?? (0, 0))
                }
            }
        }
        var down = exactProduct(a, weights.down)
        if model == .asKernels {
            for (index, row) in rows.enumerated() {
                let range = index * hidden..<(index + 1) * hidden
                let underflow = activationScales[index].map(downUnderflow.bound) ?? 0
                down.replaceSubrange(
                    range, with: try roundedOutput(Array(down[range]), row: row, underflow: underflow))
            }
        }
        return down
    }

    /// The down projection's output in BF16: the kernel's where one was observed, which must be a correct rounding,
    /// else the reference's own.
    private func roundedOutput(_ exact: [Double], row: ReferenceRow, underflow: Double) throws -> [Double] {
        if let channel = exact.firstIndex(where: { !Self.rounded($0).isFinite }) {
            throw ReferenceError.overflow(stage: .output, row: row, channel: channel, value: exact[channel])
        }
        guard let observed, let seen = try observed.output?(row) else { return exact.map(Self.rounded) }
        guard seen.count == exact.count else {
            throw ReferenceError.sizeMismatch(
                what: "observed channels of the output", expected: exact.count, found: seen.count)
        }
        let errors = exact.withUnsafeBufferPointer {
            SumErrors(of: $0, weights.down, relative: observed.accumulationError, underflow: underflow)
        }
        return try exact.indices.map { channel in
            let (value, own, error) = (Double(seen[channel].float), exact[channel], errors[channel])
            // BF16 numbers that sums within the accumulation error are rounded to.
            guard Self.rounded(own - error) <= value, value <= Self.rounded(own + error) else {
                throw ReferenceError.observedDiffers(
                    QuantisationDifference(
                        stage: .output, part: .value, row: row, channel: channel, observed: value, expected: own,
                        limit: max(Self.rounded(own + error) - own, own - Self.rounded(own - error))))
            }
            return value
        }
    }

    /// The inputs of the first projections, and for each row its smallest scale, nil if it has none.
    private func activations(
        rows: [ReferenceRow], input: (Int) -> [Float]
    ) throws -> (values: ExactActivations, scales: [Float?]) {
        var x = ExactActivations(rows: rows.count, columns: hidden)
        var scales = [Float?](repeating: nil, count: rows.count)
        for (index, row) in rows.enumerated() {
            let exact = input(index)
            switch model {
            case .none:
                x.set(row: index) { Double(exact[$0]) }
            case .asKernels:
                let own = QuantisedRow(quantising: exact, scaleFormat)
                var used = own
                if let seen = try observed?.input?(row), seen != own {
                    let values = exact.map(Double.init)
                    try check(.input, row: row, seen: seen, exact: values) { values[$0]...values[$0] }
                    used = seen
                }
                x.set(row: index) { used[$0] }
                scales[index] = used.scales.filter { $0 > 0 }.min()
            }
        }
        return (x, scales)
    }

    /// SwiGLU of one row; returns the smallest scale of the quantised result, nil if it has none.
    ///
    /// - Parameter underflow: How far the sums of gate and up may be from exact ones because scales underflowed.
    private func setActivation(
        _ a: inout ExactActivations, index: Int, row: ReferenceRow, gate: UnsafeBufferPointer<Double>,
        up: UnsafeBufferPointer<Double>, underflow: (gate: Double, up: Double)
    ) throws -> Float? {
        switch model {
        case .none:
            a.set(row: index) { activation(gate: gate[$0], up: up[$0]) }
            return nil
        case .asKernels:
            let exact = gate.indices.map {
                activation.asKernels(gate: Self.rounded(gate[$0]), up: Self.rounded(up[$0]))
            }
            if let channel = exact.firstIndex(where: { !($0.magnitude <= Double(Float.greatestFiniteMagnitude)) }) {
                throw ReferenceError.overflow(stage: .activation, row: row, channel: channel, value: exact[channel])
            }
            let used: QuantisedRow
            if let seen = try observed?.activation?(row) {
                let error = observed?.accumulationError ?? 0
                // Computed only when a value needs them: nearly all rows do without.
                var errors: (gate: SumErrors, up: SumErrors)?
                try check(.activation, row: row, seen: seen, exact: exact) { channel in
                    let bounds =
                        errors ?? (
                            SumErrors(of: gate, weights.gate, relative: error, underflow: underflow.gate),
                            SumErrors(of: up, weights.up, relative: error, underflow: underflow.up)
                        )
                    errors = bounds
                    return range(
                        gate: gate[channel], up: up[channel], errors: (bounds.0[channel], bounds.1[channel]))
                }
                used = seen
            } else {
                used = QuantisedRow(quantising: exact.map { Float($0) }, scaleFormat)
            }
            a.set(row: index) { used[$0] }
            return used.scales.filter { $0 > 0 }.min()
        }
    }

    private func check(
        _ stage: QuantisationDifference.Stage, row: ReferenceRow, seen: QuantisedRow, exact: [Double],
        range: (Int) -> ClosedRange<Double>
    ) throws(ReferenceError) {
        guard seen.values.count == exact.count else {
            throw .sizeMismatch(
                what: "observed codes of the \(stage.rawValue)", expected: exact.count, found: seen.values.count)
        }
        guard seen.scales.count == ScaleGroup.groups(exact.count) else {
            throw .sizeMismatch(
                what: "observed scales of the \(stage.rawValue)", expected: ScaleGroup.groups(exact.count),
                found: seen.scales.count)
        }
        let check = QuantisationCheck(
            stage: stage, row: row, scaleFormat: scaleFormat, slack: observed?.slack ?? 0,
            scaleTolerance: observed?.scaleTolerance ?? 0)
        let difference = exact.withUnsafeBufferPointer {
            check.firstDifference(observed: seen, exact: $0, range: range)
        }
        if let difference {
            throw .observedDiffers(difference)
        }
    }

    /// The results that gate and up sums within these errors may lead to.
    ///
    /// Clamping and an offset keep the order of values, so ends of ranges stay ends.
    private func range(gate: Double, up: Double, errors: (gate: Double, up: Double)) -> ClosedRange<Double> {
        var low = Double.infinity
        var high = -Double.infinity
        for gate in [Self.rounded(gate - errors.gate), Self.rounded(gate + errors.gate)] {
            for up in [Self.rounded(up - errors.up), Self.rounded(up + errors.up)] {
                let value = activation.asKernels(gate: gate, up: up)
                // Both products are rounded to FP32, whose steps near zero do not shrink with the value.
                let rounding = (activation.factor(up: up).magnitude + 1) * Double(Float.leastNonzeroMagnitude) / 2
                low = min(low, value - rounding)
                high = max(high, value + rounding)
            }
        }
        return low <= high ? low...high : 0...0
    }

    private static func rounded(_ value: Double) -> Double {
        Double(BFloat16(value).float)
    }

}
