import ExpertKernels
import KernelLanguage

/// The tensors of one layer, in the order in which they are written, with the way to make their bytes.
struct CheckpointLayout: Sendable {
    /// The content of a tensor.
    enum Content: Sendable {
        /// Normal numbers in BF16 with this standard deviation.
        case weights(deviation: Float)
        /// E4M3 codes.
        case codes
        /// FP32 scales that give the codes about this standard deviation.
        case scales(deviation: Float)
        /// Small FP32 numbers of both signs.
        case bias
    }

    struct Item: Sendable {
        let tensor: SafetensorsWriter.Tensor
        let content: Content
        let count: Int

        var name: String { tensor.name }

        /// The bytes of the tensor; they depend on the seed and the name alone.
        func bytes(seed: UInt64, table: GaussianFloat8Table) -> [UInt8] {
            var stream = RandomStream(seed: seed, name: name)
            return [UInt8](unsafeUninitializedCapacity: count * tensor.type.size) { buffer, initialised in
                let raw = UnsafeMutableRawBufferPointer(buffer)
                switch content {
                case .codes:
                    table.fill(buffer, from: &stream)
                case .weights(let deviation):
                    for index in 0..<count {
                        raw.storeBytes(
                            of: BFloat16(stream.normal() * deviation).bits.littleEndian, toByteOffset: 2 * index,
                            as: UInt16.self)
                    }
                case .scales(let deviation):
                    let base = deviation / GaussianFloat8Table.deviation
                    for index in 0..<count {
                        raw.storeBytes(
                            of: (base * (0.75 + 0.5 * stream.uniform())).bitPattern.littleEndian,
                            toByteOffset: 4 * index,
                            as: UInt32.self)
                    }
                case .bias:
                    for index in 0..<count {
                        raw.storeBytes(
                            of: (0.1 * (stream.uniform() - 0.5)).bitPattern.littleEndian, toByteOffset: 4 * index,
                            as: UInt32.self)
                    }
                }
                initialised = count * tensor.type.size
            }
        }
    }

    let tensors: [Item]

    /// Bytes of all tensors.
    var bytes: Int { tensors.reduce(0) { $0 + $1.count * $1.tensor.type.size } }

    /// The layout for a model of a family whose sizes are in range and multiples of 8.
    init(model: ModelConfiguration, family: ModelFamily, layer: Int, weightType: CheckpointWriter.WeightType) {
        let names = family.tensors
        var builder = LayoutBuilder(
            prefix: family.layerPrefix + "\(layer).", weightType: weightType, scale: names.scale)
        let deviation = 1 / Float(model.hidden).squareRoot()
        builder.add(names.router, .bfloat16, [model.experts, model.hidden], .weights(deviation: deviation))
        if let bias = names.choiceBias { builder.add(bias, .float32, [model.experts], .bias) }
        if let shared = names.shared, model.sharedIntermediate > 0 {
            builder.addMatrix(shared.gate, rows: model.sharedIntermediate, columns: model.hidden)
            builder.addMatrix(shared.up, rows: model.sharedIntermediate, columns: model.hidden)
            builder.addMatrix(shared.down, rows: model.hidden, columns: model.sharedIntermediate)
        }
        if let gate = names.sharedGate, model.hasSharedGate {
            builder.add(gate, .bfloat16, [1, model.hidden], .weights(deviation: deviation))
        }
        switch names.experts[0] {
        case .single(let gate, let up, let down):
            for expert in 0..<model.experts {
                let named = { (name: String) in name.replacing("#", with: "\(expert)") }
                builder.addMatrix(named(gate), rows: model.intermediate, columns: model.hidden)
                builder.addMatrix(named(up), rows: model.intermediate, columns: model.hidden)
                builder.addMatrix(named(down), rows: model.hidden, columns: model.intermediate)
            }
        case .stacked(let gate, let up, let down):
            builder.addMatrix(gate, count: model.experts, rows: model.intermediate, columns: model.hidden)
            builder.addMatrix(up, count: model.experts, rows: model.intermediate, columns: model.hidden)
            builder.addMatrix(down, count: model.experts, rows: model.hidden, columns: model.intermediate)
        case .fused(let gateUp, let down):
            builder.addMatrix(gateUp, count: model.experts, rows: 2 * model.intermediate, columns: model.hidden)
            builder.addMatrix(down, count: model.experts, rows: model.hidden, columns: model.intermediate)
        }
        tensors = builder.items
    }

    /// The file number of each tensor, ascending; files are nearly equal in bytes, and none is empty.
    func divide(into files: Int) -> [Int] {
        let total = max(bytes, 1)
        var before = 0
        var file = 0
        return tensors.enumerated().map { index, item in
            let wanted = Int(Double(before) / Double(total) * Double(files))
            before += item.count * item.tensor.type.size
            if index > 0 {
                // At least as many tensors must be left as there are files that have none yet.
                let remaining = tensors.count - index
                let mustAdvance = files - 1 - file >= remaining
                if (wanted > file || mustAdvance) && file < files - 1 { file += 1 }
            }
            return file
        }
    }
}

/// Collects the tensors of a layer.
private struct LayoutBuilder {
    let prefix: String
    let weightType: CheckpointWriter.WeightType
    /// As in `TensorNames`.
    let scale: String?
    private(set) var items: [CheckpointLayout.Item] = []

    init(prefix: String, weightType: CheckpointWriter.WeightType, scale: String?) {
        self.prefix = prefix
        self.weightType = weightType
        self.scale = scale
    }

    mutating func add(_ name: String, _ type: ElementType, _ shape: [Int], _ content: CheckpointLayout.Content) {
        items.append(
            CheckpointLayout.Item(
                tensor: .init(name: prefix + name, type: type, shape: shape), content: content,
                count: shape.reduce(1, *)))
    }

    /// A weight matrix, or `count` of them stacked in one tensor, with scales where they are FP8.
    mutating func addMatrix(_ base: String, count: Int? = nil, rows: Int, columns: Int) {
        let (name, stack) = (base + ".weight", count.map { [$0] } ?? [])
        let deviation = 1 / Float(columns).squareRoot()
        switch weightType {
        case .bfloat16:
            add(name, .bfloat16, stack + [rows, columns], .weights(deviation: deviation))
        case .float8:
            let blocks = [ScaleGroup.groups(rows), ScaleGroup.groups(columns)]
            add(name, .float8e4m3, stack + [rows, columns], .codes)
            let scales = scale.map { "\(base).\($0)" } ?? name + "_scale_inv"
            add(scales, .float32, stack + blocks, .scales(deviation: deviation))
        }
    }
}
