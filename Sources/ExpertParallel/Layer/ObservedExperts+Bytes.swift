import KernelLanguage

/// Observations of one process, encoded as bytes for another: UInt64 activations, and each: its row, UInt32 values and
/// scales and these; UInt64 outputs, and each: its row, UInt32 elements and these. A row is four Int32: expert or -1,
/// rank, token, part. All in the byte order of the machine.
extension ObservedExperts {
    /// The bytes.
    package var encoded: [UInt8] {
        var bytes: [UInt8] = []
        func append(_ values: some Collection<some BitwiseCopyable>) {
            for value in values { withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) } }
        }
        func append(_ row: ReferenceRow) {
            append([row.expert ?? -1, row.rank, row.token, row.sharedPart].map { Int32($0) })
        }
        append([UInt64(activations.count)])
        for (row, activation) in activations {
            append(row)
            append([UInt32(activation.values.count), UInt32(activation.scales.count)])
            bytes += activation.values
            append(activation.scales)
        }
        append([UInt64(outputs.count)])
        for (row, output) in outputs {
            append(row)
            append([UInt32(output.count)])
            append(output.map(\.bits))
        }
        return bytes
    }

    /// Decodes such bytes; nil for any others.
    package init?(encoded bytes: [UInt8]) {
        var place = 0
        func take<Value: BitwiseCopyable>(_ type: Value.Type, _ count: Int) -> [Value]? {
            let size = MemoryLayout<Value>.stride
            guard count >= 0, count <= (bytes.count - place) / size else { return nil }
            defer { place += count * size }
            return bytes.withUnsafeBytes { raw in
                (0..<count).map { raw.loadUnaligned(fromByteOffset: place + $0 * size, as: Value.self) }
            }
        }
        func takeRow() -> ReferenceRow? {
            guard let words = take(Int32.self, 4)?.map({ Int($0) }) else { return nil }
            return ReferenceRow(
                expert: words[0] < 0 ? nil : words[0], rank: words[1], token: words[2], sharedPart: words[3])
        }
        guard let activationCount = take(UInt64.self, 1) else { return nil }
        for _ in 0..<Int(truncatingIfNeeded: activationCount[0]) {
            guard let row = takeRow(), let counts = take(UInt32.self, 2),
                let values = take(UInt8.self, Int(counts[0])), let scales = take(Float.self, Int(counts[1]))
            else { return nil }
            activations[row] = QuantisedRow(values: values, scales: scales)
        }
        guard let outputCount = take(UInt64.self, 1) else { return nil }
        for _ in 0..<Int(truncatingIfNeeded: outputCount[0]) {
            guard let row = takeRow(), let count = take(UInt32.self, 1), let bits = take(UInt16.self, Int(count[0]))
            else { return nil }
            outputs[row] = bits.map { BFloat16(bits: $0) }
        }
        if place != bytes.count { return nil }
    }
}
