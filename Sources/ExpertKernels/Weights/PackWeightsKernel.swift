import KernelLanguage

/// Experts' matrices of one kind as an engine has them: FP8 E4M3 row by row, with one Float32 scale for each 128 rows
/// by 128 columns.
package struct UnpackedMatrixParameters: KernelParameters {
    /// FP8 `[experts, validRows, validColumns]`, with strides `rowBytes` and `expertBytes` of `PackWeightsParameters`;
    /// aligned to 16 bytes.
    package var values: MemoryParameter<Float8E4M3>
    /// Float32 `[experts, ⌈validRows / 128⌉, ⌈validColumns / 128⌉]`, with strides `scalesOfRow` and `scalesOfExpert`.
    package var scales: MemoryParameter<Float>

    /// Values and scales.
    package init(values: MemoryParameter<Float8E4M3>, scales: MemoryParameter<Float>) {
        self.values = values
        self.scales = scales
    }
}

/// The same for up, where `UnpackedMatrixParameters` has gate.
package struct UnpackedUpParameters: KernelParameters {
    /// As `UnpackedMatrixParameters.values`.
    package var upValues: MemoryParameter<Float8E4M3>
    /// As `UnpackedMatrixParameters.scales`.
    package var upScales: MemoryParameter<Float>

    /// Values and scales.
    package init(upValues: MemoryParameter<Float8E4M3>, upScales: MemoryParameter<Float>) {
        self.upValues = upValues
        self.upScales = upScales
    }
}

/// Parameters of the packing of weights, besides the matrices.
package struct PackWeightsParameters: KernelParameters {
    /// Bytes from one row of a matrix to the next, a multiple of 16.
    package var rowBytes: ScalarParameter<UInt32>
    /// Bytes from one expert's matrix to the next, a multiple of 16.
    package var expertBytes: ScalarParameter<UInt64>
    /// Scales from one row of them to the next.
    package var scalesOfRow: ScalarParameter<UInt32>
    /// Scales from one expert's to the next.
    package var scalesOfExpert: ScalarParameter<UInt64>
    /// Rows that each matrix has, a multiple of 128 unless the packing `endsInGroups`. Rows of the packing beyond them
    /// have weights of 0 and, where they are whole groups, scales of 1.
    package var validRows: ScalarParameter<UInt32>
    /// The same for columns; a multiple of 16 where the packing `endsInGroups`.
    package var validColumns: ScalarParameter<UInt32>
    /// Number of experts that are packed.
    package var experts: ScalarParameter<UInt32>
    /// Written: FP8 `[experts, n / tileN, k / 128, tileN, 128]`, aligned to 16 bytes; see `PackedWeights`.
    package var packed: MemoryParameter<Float8E4M3>
    /// Written: Float32 `[experts, n / 128, k / 128]`.
    package var packedScales: MemoryParameter<Float>

    /// Parameters as given.
    package init(
        rowBytes: Int, expertBytes: Int, scalesOfRow: Int, scalesOfExpert: Int, validRows: Int, validColumns: Int,
        experts: Int, packed: MemoryParameter<Float8E4M3>, packedScales: MemoryParameter<Float>
    ) {
        self.rowBytes = ScalarParameter(UInt32(rowBytes))
        self.expertBytes = ScalarParameter(UInt64(expertBytes))
        self.scalesOfRow = ScalarParameter(UInt32(scalesOfRow))
        self.scalesOfExpert = ScalarParameter(UInt64(scalesOfExpert))
        self.validRows = ScalarParameter(UInt32(validRows))
        self.validColumns = ScalarParameter(UInt32(validColumns))
        self.experts = ScalarParameter(UInt32(experts))
        self.packed = packed
        self.packedScales = packedScales
    }
}

/// Packs weights for the grouped GEMM, as `PackedWeights` does on the host, bit for bit.
///
/// A thread block takes a run of 128 rows by 128 columns at a time, which is contiguous in the packed weights. Eight
/// threads read a line of 128 bytes, and write its groups of 16 in swizzled order. Not for a dependent launch.
///
/// Takes `PackWeightsParameters`, `UnpackedMatrixParameters`, and with two matrices `UnpackedUpParameters`.
package func packWeightsKernel(_ packing: WeightPacking) throws(VerificationError) -> Kernel {
    let threads = 256
    return try KernelBuilder.build(packing.kernelName, threads: threads) { k in
        let source = UnpackedMatrices(k, packing)
        let (experts, packed, packedScales) = (
            source.parameters.experts, source.parameters.packed, source.parameters.packedScales
        )
        k.for(from: k.blockIndex, to: experts * packing.runs, by: k.gridSize) { number in
            source.copyRun(k, number, to: packed, threads: threads)
        }
        k.for(
            from: k.blockIndex.multiply(threads, add: k.threadIndex), to: experts * packing.scales,
            by: k.gridSize * threads
        ) { number in
            k.store(source.scale(k, number), to: packedScales + number)
        }
    }
}

/// Matrices of experts, addressed by rows of the packed matrix.
private struct UnpackedMatrices {
    let parameters: KernelParameterValues<PackWeightsParameters>
    private let packing: WeightPacking
    private let first: KernelParameterValues<UnpackedMatrixParameters>
    private let up: KernelParameterValues<UnpackedUpParameters>?

    init(_ k: KernelBuilder, _ packing: WeightPacking) {
        self.packing = packing
        parameters = k.parameters(PackWeightsParameters.self)
        first = k.parameters(UnpackedMatrixParameters.self)
        up = packing.arrangement.matrices == 1 ? nil : k.parameters(UnpackedUpParameters.self)
    }

    /// Origin of a row of the packed matrix, if rows come `group` at a time: whether in up, and which row there.
    private func origin(_ row: Value<UInt32>, group: Int) -> (isUp: Condition, row: Value<UInt32>)? {
        switch packing.arrangement {
        case .matrix: return nil
        case .gateUpInTurns:
            let pair = row / (2 * group)
            return (row / group % 2 == 1, pair.multiply(group, add: row % group))
        case .gateAboveUp:
            let half = packing.matrixRows / (group == 1 ? ScaleGroup.channels : 1)
            let isUp = row >= half
            return (isUp, isUp.select(row - half, row))
        }
    }

    /// Copies run `number` of all experts' runs to its place. All threads call it.
    func copyRun(_ k: KernelBuilder, _ number: Value<UInt32>, to packed: Pointer<Float8E4M3>, threads: Int) {
        let (kBlocks, halves) = (packing.columns / TileShape.k, packing.tileN / ScaleGroup.channels)
        let (expert, run) = (number / packing.runs, number % packing.runs)
        let (kBlock, tile) = (run / halves % kBlocks, run / (halves * kBlocks))
        let firstRow = tile.multiply(halves, add: run % halves) * ScaleGroup.channels
        let (line, place) = (k.threadIndex >> 3, k.threadIndex & 7)
        let rounds = ScaleGroup.channels * 8 / threads
        // A round is a multiple of 8 rows further, so that the groups of its rows have the same order.
        let group = place ^ (line & 7)
        let column = kBlock.multiply(TileShape.k, add: group * 16)
        let ofExpert = expert.wide * parameters.expertBytes
        let hasColumn = (packing.endsInGroups ? column : kBlock * TileShape.k) < parameters.validColumns
        let words = (0..<rounds).map { round in
            let words = (0..<4).map { _ in k.variable(UInt32(0)) }
            let packedRow = firstRow + line + round * (threads / 8)
            let origin = origin(packedRow, group: 8)
            let row = origin?.row ?? packedRow
            k.if(hasColumn && row < parameters.validRows) {
                let matrix =
                    if let origin, let up {
                        Pointer<Float8E4M3>(bits: origin.isUp.select(up.upValues.bits, first.values.bits))
                    } else {
                        first.values
                    }
                let place = matrix + (ofExpert + row.multipliedWide(by: parameters.rowBytes) + column.wide)
                for (word, value) in zip(words, k.loadVector(place.cast(to: UInt32.self), count: 4)) {
                    word.value = value
                }
            }
            return words
        }
        let target = (packed + number.multipliedWide(by: WeightPacking.runBytes)).cast(to: UInt32.self)
        for (round, words) in words.enumerated() {
            k.storeVector(
                words.map(\.value), to: target + ((k.threadIndex << 2) + round * threads * 4))
        }
    }

    private func groups(_ channels: Value<UInt32>) -> Value<UInt32> {
        (packing.endsInGroups ? channels + (ScaleGroup.channels - 1) : channels) / ScaleGroup.channels
    }

    /// A packed scale, by its number among those of all experts.
    func scale(_ k: KernelBuilder, _ number: Value<UInt32>) -> Value<Float> {
        let columns = packing.columns / ScaleGroup.channels
        let (expert, ofExpert) = (number / packing.scales, number % packing.scales)
        let (packedRow, column) = (ofExpert / columns, ofExpert % columns)
        let origin = origin(packedRow, group: 1)
        let row = origin?.row ?? packedRow
        let scale = k.variable(Float(1))
        let (rows, validColumns) = (groups(parameters.validRows), groups(parameters.validColumns))
        k.if(column < validColumns && row < rows) {
            let place = expert.wide * parameters.scalesOfExpert + row.multipliedWide(by: parameters.scalesOfRow)
            let matrix =
                if let origin, let up {
                    Pointer<Float>(bits: origin.isUp.select(up.upScales.bits, first.scales.bits))
                } else {
                    first.scales
                }
            scale.value = k.load(matrix + (place + column.wide))
        }
        return scale.value
    }
}
