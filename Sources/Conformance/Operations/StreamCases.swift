import Accelerator
import ExpertKernels

/// The kernels that measure memory bandwidth move the chunks that they are told to.
func streamCases() -> [ConformanceCase] {
    [(8, 1), (8, 3), (8, 8), (20, 4), (23, 7)].map { chunks, every in
        ConformanceCase("stream copy of one of \(every) of \(chunks) chunks") { device in
            let words = streamChunkBytes / 4
            let blocks = 3
            let source = (0..<UInt32(chunks * words)).map { $0 &* 0x9E37_79B9 }
            let stored = storedChunks(of: chunks, every: every, gridSize: blocks)
            let stream = try device.makeStream(label: "copy")
            let input = try device.makeBuffer(source, label: "source")
            let output = try device.makeBuffer(
                [UInt32](repeating: 0, count: stored.count * words), label: "destination")
            let kernel = try device.load(streamKernel(.copy))
            try device.launch(
                kernel, blocks: blocks,
                arguments: [
                    .address(input.address), .address(output.address), .uint32(UInt32(chunks)), .uint32(UInt32(every)),
                ],
                dependentLaunch: false, on: stream)
            try device.synchronize(stream)
            let nothing = [UInt32](repeating: 0, count: words)[...]
            let copied = stored.flatMap { $0.map { source[$0 * words..<($0 + 1) * words] } ?? nothing }
            try requireEqual(
                "destination", device.read(UInt32.self, count: copied.count, from: output), copied)
        }
    }
}
