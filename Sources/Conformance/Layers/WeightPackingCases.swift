import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

/// Weights that are packed on the device, against those that the host packs and uploads.
func weightPackingCases() -> [ConformanceCase] {
    // The last ones end within blocks.
    let sizes = [
        (rows: 128, columns: 128), (256, 384), (384, 256), (640, 128), (512, 512), (8, 16), (200, 256), (328, 208),
    ]
    let matrices = sizes.flatMap { rows, columns in
        [TileShape.maxN, 128].map { matrixCase(rows: rows, columns: columns, tileN: $0) }
    }
    let pairSizes = [(intermediate: 128, columns: 256), (256, 128), (384, 384), (72, 208), (328, 128)]
    let pairs = pairSizes.flatMap { intermediate, columns in
        [
            pairCase(.gateUpInTurns, intermediate: intermediate, columns: columns, tileN: TileShape.maxN),
            pairCase(.gateAboveUp, intermediate: intermediate, columns: columns, tileN: 128),
            pairCase(.gateAboveUp, intermediate: intermediate, columns: columns, tileN: TileShape.maxN),
        ]
    }
    let parts = [(shared: 384, intermediate: 256, hidden: 256), (128, 384, 256), (336, 72, 208)].map {
        partsCase(shared: $0, intermediate: $1, hidden: $2)
    }
    return matrices + pairs + parts + [
        inPlaceCase(rows: 512, columns: 256, tileN: TileShape.maxN, .matrix),
        inPlaceCase(rows: 384, columns: 128, tileN: 128, .matrix),
        inPlaceCase(rows: 512, columns: 384, tileN: TileShape.maxN, .gateUpInTurns),
        inPlaceCase(rows: 768, columns: 128, tileN: 128, .gateAboveUp), refusedPackingCase(),
    ]
}

/// Matrices of several experts on a device, one behind the other, with gaps behind rows and experts if wanted.
private struct EngineWeights {
    let unpacked: UnpackedWeights

    init(_ device: any Device, _ matrices: [QuantisedMatrix], gaps: Bool) throws {
        let (rows, columns) = (matrices[0].rows, matrices[0].columns)
        let (scaleRows, groups) = (ScaleGroup.groups(rows), ScaleGroup.groups(columns))
        let (rowBytes, scalesOfRow) = (columns + (gaps ? 48 : 0), groups + (gaps ? 3 : 0))
        let rowsBetween = gaps ? 2 : 0
        // What stands in the gaps is no weight.
        var values: [UInt8] = []
        var scales: [Float] = []
        for matrix in matrices {
            append(matrix.values, to: &values, columns: columns, stride: rowBytes, gap: 0xFF, rowsAfter: rowsBetween)
            append(matrix.scales, to: &scales, columns: groups, stride: scalesOfRow, gap: .nan, rowsAfter: rowsBetween)
        }
        unpacked = UnpackedWeights(
            values: try device.makeBuffer(values, label: "an engine's weights"),
            scales: try device.makeBuffer(scales, label: "an engine's weight scales"), rows: rows, columns: columns,
            rowBytes: rowBytes, expertBytes: (rows + rowsBetween) * rowBytes, scalesOfRow: scalesOfRow,
            scalesOfExpert: (scaleRows + rowsBetween) * scalesOfRow)
    }
}

/// Appends the rows of a matrix, each as long as `stride`, and `rowsAfter` rows of gaps.
private func append<Element>(
    _ matrix: [Element], to list: inout [Element], columns: Int, stride: Int, gap: Element, rowsAfter: Int
) {
    for first in Swift.stride(from: 0, to: matrix.count, by: columns) {
        list += matrix[first..<first + columns]
        list += [Element](repeating: gap, count: stride - columns)
    }
    list += [Element](repeating: gap, count: rowsAfter * stride)
}

private func matrices(_ name: String, _ rows: Int, _ columns: Int, count: Int) throws -> [QuantisedMatrix] {
    let fixture = try LayerFixture.matrices()
    return try (0..<count).map { try fixture.matrix("\(name) \($0)", rows, columns) }
}

/// Compares all bytes of weights and scales.
private func requireEqual(_ what: String, _ found: WeightBuffer, _ expected: WeightBuffer, on device: any Device) throws
{
    func bytes(_ buffer: DeviceBuffer) throws -> [UInt8] {
        try device.read(UInt8.self, count: buffer.bytes, from: buffer)
    }
    try requireEqual("\(what), weights", bytes(found.values), bytes(expected.values))
    try requireEqual("\(what), scales", bytes(found.scales), bytes(expected.scales))
}

private func buffer(
    _ device: any Device, rows: Int, columns: Int, experts: Int, tileN: Int, _ label: String, on stream: DeviceStream
) throws -> WeightBuffer {
    let buffer = try WeightBuffer(
        device, rows: rows, columns: ScaleGroup.padded(columns), experts: experts, tileN: tileN, label: label)
    try device.fill(buffer.values, with: 0xEE, on: stream)
    try device.fill(buffer.scales, with: 0xEE, on: stream)
    try device.synchronize(stream)
    return buffer
}

/// One matrix of each expert, of which the last two are packed by a launch of their own.
private func matrixCase(rows: Int, columns: Int, tileN: Int) -> ConformanceCase {
    ConformanceCase("weights packed on the device, \(rows) x \(columns), tiles of \(tileN)") { device in
        let experts = 3
        let matrices = try matrices("packed", rows, columns, count: experts)
        let stream = try device.makeStream(label: "packing")
        let expected = try buffer(
            device, rows: ScaleGroup.padded(rows), columns: columns, experts: experts, tileN: tileN, "of the host",
            on: stream)
        for (expert, matrix) in matrices.enumerated() {
            try expected.write(matrix.padded(), of: expert, name: "weights")
        }
        for gaps in [false, true] {
            let found = try buffer(
                device, rows: ScaleGroup.padded(rows), columns: columns, experts: experts, tileN: tileN,
                "of the device", on: stream)
            let first = try EngineWeights(device, [matrices[0]], gaps: gaps)
            let others = try EngineWeights(device, Array(matrices[1...]), gaps: gaps)
            try found.pack(first.unpacked, of: 0..<1, on: stream)
            try found.pack(others.unpacked, of: 1..<experts, on: stream)
            try device.synchronize(stream)
            try requireEqual(gaps ? "with gaps" : "without gaps", found, expected, on: device)
        }
    }
}

/// Gate and up.
private func pairCase(
    _ arrangement: WeightPacking.Arrangement, intermediate: Int, columns: Int, tileN: Int
) -> ConformanceCase {
    ConformanceCase(
        "gate and up packed on the device, \(arrangement.rawValue), \(intermediate) x \(columns), tiles of \(tileN)"
    ) { device in
        let experts = 2
        let gates = try matrices("gate", intermediate, columns, count: experts)
        let ups = try matrices("up", intermediate, columns, count: experts)
        let stream = try device.makeStream(label: "packing")
        let rows = 2 * ScaleGroup.padded(intermediate)
        let (found, expected) = (
            try buffer(
                device, rows: rows, columns: columns, experts: experts, tileN: tileN, "of the device", on: stream),
            try buffer(
                device, rows: rows, columns: columns, experts: experts, tileN: tileN, "of the host", on: stream)
        )
        let gate = try EngineWeights(device, gates, gaps: true).unpacked
        let up = try EngineWeights(device, ups, gaps: true).unpacked
        if arrangement == .gateUpInTurns {
            try found.pack(gate: gate, up: up, of: 0..<experts, on: stream)
        } else {
            try found.pack(gateAboveUp: gate, up, of: 0..<experts, on: stream)
        }
        for (expert, (unpaddedGate, unpaddedUp)) in zip(gates, ups).enumerated() {
            let (gate, up) = (try unpaddedGate.padded(), try unpaddedUp.padded())
            if arrangement == .gateUpInTurns {
                try expected.write(gate: gate, up: up, of: expert)
            } else {
                try expected.write(gateAboveUp: gate, up, of: expert)
            }
        }
        try device.synchronize(stream)
        try requireEqual("gate and up", found, expected, on: device)
    }
}

/// Slices of a shared expert, of which the last is filled up.
private func partsCase(shared: Int, intermediate: Int, hidden: Int) -> ConformanceCase {
    ConformanceCase("a shared expert of \(shared) channels packed on the device in parts of \(intermediate)") {
        device in
        let fixture = try LayerFixture.matrices()
        let whole = ExpertWeights(
            gate: try fixture.matrix("gate", shared, hidden), up: try fixture.matrix("up", shared, hidden),
            down: try fixture.matrix("down", hidden, shared))
        let parts = try whole.parts(intermediate: intermediate)
        let intermediate = ScaleGroup.padded(intermediate)
        let stream = try device.makeStream(label: "packing")
        let (gate, up, down) = (
            try EngineWeights(device, [whole.gate], gaps: true).unpacked,
            try EngineWeights(device, [whole.up], gaps: true).unpacked,
            try EngineWeights(device, [whole.down], gaps: true).unpacked
        )
        for tileN in [TileShape.maxN, 128] {
            func buffers(_ label: String) throws -> (gateUp: WeightBuffer, down: WeightBuffer) {
                (
                    try buffer(
                        device, rows: 2 * intermediate, columns: hidden, experts: parts.count, tileN: tileN, label,
                        on: stream),
                    try buffer(
                        device, rows: ScaleGroup.padded(hidden), columns: intermediate, experts: parts.count,
                        tileN: tileN, label, on: stream)
                )
            }
            let (found, expected) = (try buffers("of the device"), try buffers("of the host"))
            for (number, part) in parts.enumerated() {
                let first = number * intermediate
                let width = min(intermediate, shared - first)
                let experts = number..<number + 1
                let (gate, up) = (gate.part(row: first, rows: width), up.part(row: first, rows: width))
                if tileN == TileShape.maxN {
                    try found.gateUp.pack(gate: gate, up: up, of: experts, on: stream)
                    try expected.gateUp.write(gate: part.gate.padded(), up: part.up.padded(), of: number)
                } else {
                    try found.gateUp.pack(gateAboveUp: gate, up, of: experts, on: stream)
                    try expected.gateUp.write(gateAboveUp: part.gate.padded(), part.up.padded(), of: number)
                }
                try found.down.pack(down.part(column: first, columns: width), of: experts, on: stream)
                try expected.down.write(part.down.padded(), of: number, name: "down")
            }
            try device.synchronize(stream)
            try requireEqual("gate and up, tiles of \(tileN)", found.gateUp, expected.gateUp, on: device)
            try requireEqual("down, tiles of \(tileN)", found.down, expected.down, on: device)
        }
    }
}

/// Weights in the memory that they come in.
private func inPlaceCase(
    rows: Int, columns: Int, tileN: Int, _ arrangement: WeightPacking.Arrangement
) -> ConformanceCase {
    ConformanceCase("weights packed in place, \(arrangement.rawValue), \(rows) x \(columns), tiles of \(tileN)") {
        device in
        let experts = 3
        let count = arrangement.matrices
        let matrices = try matrices("in place", rows / count, columns, count: experts * count)
        let stream = try device.makeStream(label: "packing")
        let expected = try buffer(
            device, rows: rows, columns: columns, experts: experts, tileN: tileN, "of the host", on: stream)
        for expert in 0..<experts {
            let (first, last) = (matrices[expert * count], matrices[expert * count + count - 1])
            switch arrangement {
            case .matrix: try expected.write(first, of: expert, name: "weights")
            case .gateUpInTurns: try expected.write(gate: first, up: last, of: expert)
            case .gateAboveUp: try expected.write(gateAboveUp: first, last, of: expert)
            }
        }
        let source = try EngineWeights(device, matrices, gaps: false).unpacked
        let found = try WeightBuffer(
            device, packingInPlace: source.values, scales: source.scales, rows: rows, columns: columns,
            experts: experts, tileN: tileN, arrangement, label: "in place", on: stream)
        try device.synchronize(stream)
        try requireEqual("in place", found, expected, on: device)
    }
}

/// Sizes, strides and memory that kernels cannot read are refused.
private func refusedPackingCase() -> ConformanceCase {
    ConformanceCase("weights that cannot be packed are refused") { device in
        let stream = try device.makeStream(label: "packing")
        let target = try WeightBuffer(device, rows: 256, columns: 256, experts: 2, label: "target")
        let values = try device.makeBuffer([UInt8](repeating: 0, count: 256 * 256), label: "values")
        let scales = try device.makeBuffer([Float](repeating: 1, count: 4), label: "scales")
        let good = UnpackedWeights(values: values, scales: scales, rows: 256, columns: 256)
        func refuse(_ name: String, _ value: Int, _ body: () throws -> Void) throws {
            do {
                try body()
            } catch let error as ShapeError {
                return try require(
                    error.name == name && error.value == value, "expected '\(name)' \(value), got: \(error)")
            }
            throw ConformanceFailure("\(name) of \(value) was taken")
        }
        func refuse(
            _ name: String, _ value: Int, of experts: Range<Int> = 0..<1, _ change: (inout UnpackedWeights) -> Void
        ) throws {
            var source = good
            change(&source)
            try refuse(name, value) { try target.pack(source, of: experts, on: stream) }
        }
        try target.pack(good, of: 1..<2, on: stream)
        try target.pack(good, of: 1..<1, on: stream)
        try refuse("rows of unpacked weights", 196) { $0.rows = 196 }
        try refuse("rows of unpacked weights", 384) { $0.rows = 384 }
        try refuse("columns of unpacked weights", 72) { $0.columns = 72 }
        try refuse("bytes from row to row", 264) { $0.rowBytes = 264 }
        try refuse("bytes from row to row", 128) { $0.rowBytes = 128 }
        try refuse("bytes from expert to expert", 65_537) { $0.expertBytes = 65_537 }
        try refuse("scales from row to row", 1) { $0.scalesOfRow = 1 }
        try refuse("end of the experts to pack", 3, of: 1..<3) { _ in }
        try refuse("end of the experts to pack", -1, of: -1..<1) { _ in }
        var half = good
        half.rows = 128
        try refuse("rows of up", 128) {
            let wide = try WeightBuffer(device, rows: 512, columns: 256, experts: 1, label: "gate and up")
            try wide.pack(gate: good, up: half, of: 0..<1, on: stream)
        }
        try refuse("rows of weights", 320) {
            let odd = try WeightBuffer(device, rows: 320, columns: 256, experts: 1, label: "odd")
            try odd.pack(good, of: 0..<1, on: stream)
        }
        try refuse("tileN of packed weights", 128) {
            let narrow = try WeightBuffer(
                device, rows: 512, columns: 256, experts: 1, tileN: 128, label: "narrow")
            try narrow.pack(gate: good, up: good, of: 0..<1, on: stream)
        }
        try refuse("rows of weights packed in place", 128) {
            _ = try WeightBuffer(
                device, packingInPlace: values, scales: scales, rows: 128, columns: 256, experts: 1, .matrix,
                label: "in place", on: stream)
        }
        do {
            try target.pack(good, of: 0..<2, on: stream)
            throw ConformanceFailure("weights of one expert were taken for two")
        } catch GroupError.bufferTooSmall("values", bytes: 256 * 256, needed: 2 * 256 * 256) {}
        var shifted = good
        shifted.values = values.part("shifted values", offset: 8, bytes: values.bytes - 8)
        shifted.rows = 128
        do {
            try target.pack(shifted, of: 0..<1, on: stream)
            throw ConformanceFailure("weights at an odd address were taken")
        } catch GroupError.misaligned("shifted values", address: _, alignment: 16) {}
        try device.synchronize(stream)
    }
}
