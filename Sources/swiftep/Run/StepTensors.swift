import ExpertParallel
import KernelLanguage

/// The inputs and outputs of a step, of all ranks one after the other, as a safetensors file.
struct StepTensors {
    let inputs: [RankInput]
    let outputs: [[BFloat16]]
    let hidden: Int
    let topK: Int

    /// Replaces the file's content. Throws `OutputError` and `CheckpointError`.
    func write(to file: OutputFile) throws {
        let tokens = inputs.map(\.routing.tokens).reduce(0, +)
        let contents: [(SafetensorsLayout.Tensor, [UInt8])] = [
            (
                .init(name: "hidden_states", type: .bfloat16, shape: [tokens, hidden]),
                Self.bytes(inputs.flatMap { $0.hiddenStates.map(\.bits) })
            ),
            (
                .init(name: "topk_idx", type: .int64, shape: [tokens, topK]),
                Self.bytes(inputs.flatMap(\.routing.experts))
            ),
            (
                .init(name: "topk_weights", type: .float32, shape: [tokens, topK]),
                Self.bytes(inputs.flatMap(\.routing.weights))
            ),
            (
                .init(name: "output", type: .bfloat16, shape: [tokens, hidden]),
                Self.bytes(outputs.flatMap { $0.map(\.bits) })
            ),
        ]
        let layout = try SafetensorsLayout(path: file.path, tensors: contents.map(\.0))
        try file.write(contents.reduce(into: layout.head) { $0 += $1.1 })
    }

    private static func bytes<Element: BitwiseCopyable>(_ elements: [Element]) -> [UInt8] {
        elements.withUnsafeBytes(Array.init)
    }
}
