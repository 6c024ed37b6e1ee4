import Dispatch
import ExpertKernels
import KernelLanguage

/// Rows of activations in FP64, stored so that the exact product reads them in order: `[columns / 128, rows, 128]`,
/// with rows padded to an even number and columns with zeros.
struct ExactActivations {
    let rows: Int
    let columns: Int
    fileprivate let padded: Int
    fileprivate var storage: [SIMD4<Double>]

    fileprivate static let vectorsPerBlock = QuantisedMatrix.block / 4

    /// Zeros; `columns` is a multiple of 4.
    init(rows: Int, columns: Int) {
        self.rows = rows
        self.columns = columns
        padded = rows + rows % 2
        storage = [SIMD4<Double>](repeating: .zero, count: padded * ScaleGroup.padded(columns) / 4)
    }

    /// Sets one row, channel by channel.
    mutating func set(row: Int, _ value: (Int) -> Double) {
        for channel in stride(from: 0, to: columns, by: 4) {
            let (block, vector) = (channel / QuantisedMatrix.block, channel % QuantisedMatrix.block / 4)
            storage[(block * padded + row) * Self.vectorsPerBlock + vector] = SIMD4(
                value(channel), value(channel + 1), value(channel + 2), value(channel + 3))
        }
    }
}

/// The product `[rows of x, rows of weight]` of activations with a transposed weight matrix, products and sums in FP64.
///
/// Uses all cores: each takes 16 weight rows at a time, and multiplies blocks of 128 columns of two weight rows with
/// two activation rows while they are in registers.
func exactProduct(_ x: ExactActivations, _ weight: QuantisedMatrix) -> [Double] {
    let chunk = 16
    return [Double](unsafeUninitializedCapacity: x.rows * weight.rows) { output, count in
        // Safe to share: every chunk writes columns of its own.
        nonisolated(unsafe) let output = output
        DispatchQueue.concurrentPerform(iterations: (weight.rows + chunk - 1) / chunk) { index in
            let first = index * chunk
            let rows = first..<min(first + chunk, weight.rows)
            let sums = chunkProduct(x, weight, rows: rows)
            for row in 0..<rows.count {
                let scale = Double(weight.channelScales?[first + row] ?? 1)
                for token in 0..<x.rows {
                    output[token * weight.rows + first + row] = sums[row * x.padded + token] * scale
                }
            }
        }
        count = x.rows * weight.rows
    }
}

/// The product with an even number of weight rows inside one block row, without scales of rows, `[weight rows, padded
/// rows of x]`.
private func chunkProduct(_ x: ExactActivations, _ weight: QuantisedMatrix, rows: Range<Int>) -> [Double] {
    let block = QuantisedMatrix.block
    let vectors = ExactActivations.vectorsPerBlock
    let blocks = ScaleGroup.groups(weight.columns)
    var sums = [Double](repeating: 0, count: rows.count * x.padded)
    var tile = [SIMD4<Double>](repeating: .zero, count: rows.count * vectors)
    for column in 0..<blocks {
        let scale = Double(weight.scales[rows.lowerBound / block * blocks + column])
        decode(weight, rows: rows, column: column * block, into: &tile)
        x.storage.withUnsafeBufferPointer { activations in
            tile.withUnsafeBufferPointer { tile in
                sums.withUnsafeMutableBufferPointer { sums in
                    for row in stride(from: 0, to: rows.count, by: 2) {
                        let a = tile.baseAddress.unsafelyUnwrapped + row * vectors
                        for token in stride(from: 0, to: x.padded, by: 2) {
                            let b = activations.baseAddress.unsafelyUnwrapped + (column * x.padded + token) * vectors
                            let products = blockProducts(a, a + vectors, b, b + vectors, vectors)
                            let sum = row * x.padded + token
                            sums[sum] += products.0 * scale
                            sums[sum + 1] += products.1 * scale
                            sums[sum + x.padded] += products.2 * scale
                            sums[sum + x.padded + 1] += products.3 * scale
                        }
                    }
                }
            }
        }
    }
    return sums
}

private let decodedCodes = Float8E4M3.decoded.map(Double.init)

/// The values of some weight rows in one block of columns, without their scale. Behind those of a last block that is
/// only a part of one stays what was there, which is multiplied with zeros of the activations.
private func decode(_ weight: QuantisedMatrix, rows: Range<Int>, column: Int, into tile: inout [SIMD4<Double>]) {
    let vectors = ExactActivations.vectorsPerBlock
    weight.values.withUnsafeBufferPointer { codes in
        decodedCodes.withUnsafeBufferPointer { decoded in
            tile.withUnsafeMutableBufferPointer { tile in
                for (index, row) in rows.enumerated() {
                    let start = row * weight.columns + column
                    for vector in 0..<min(vectors, (weight.columns - column) / 4) {
                        let code = start + vector * 4
                        tile[index * vectors + vector] = SIMD4(
                            decoded[Int(codes[code])], decoded[Int(codes[code + 1])],
                            decoded[Int(codes[code + 2])], decoded[Int(codes[code + 3])])
                    }
                }
            }
        }
    }
}

/// The four inner products of two vectors with two others.
@inline(__always)
private func blockProducts(
    _ a0: UnsafePointer<SIMD4<Double>>, _ a1: UnsafePointer<SIMD4<Double>>, _ b0: UnsafePointer<SIMD4<Double>>,
    _ b1: UnsafePointer<SIMD4<Double>>, _ count: Int
) -> (Double, Double, Double, Double) {
    var sum00 = SIMD4<Double>.zero
    var sum01 = SIMD4<Double>.zero
    var sum10 = SIMD4<Double>.zero
    var sum11 = SIMD4<Double>.zero
    // Multiply and add apart: a fused form is a slow library call on processors without the instruction.
    for index in 0..<count {
        sum00 += a0[index] * b0[index]
        sum01 += a0[index] * b1[index]
        sum10 += a1[index] * b0[index]
        sum11 += a1[index] * b1[index]
    }
    return (sum00.sum(), sum01.sum(), sum10.sum(), sum11.sum())
}
