import Accelerator
import ExpertKernels

/// The kernels that measure the memory move what they say.
func streamCases() -> [ConformanceCase] {
    [1, 3, 8].map { every in
        ConformanceCase("stream copy of every \(every) of 8 chunks") { device in
            let words = streamChunkBytes / 4
            let chunks = 8
            let source = (0..<UInt32(chunks * words)).map { $0 &* 0x9E37_79B9 }
            let stream = try device.makeStream(label: "copy")
            let input = try device.makeBuffer(source, label: "source")
            let output = try device.makeBuffer([UInt32](repeating: 0, count: source.count), label: "destination")
            let kernel = try device.load(streamKernel(.copy))
            try device.launch(
                kernel, blocks: 3,
                arguments: [
                    .address(input.address), .address(output.address), .uint32(UInt32(chunks)), .uint32(UInt32(every)),
                ],
                dependentLaunch: false, on: stream)
            try device.synchronize(stream)
            let copied = stride(from: 0, to: chunks, by: every).flatMap { source[$0 * words..<($0 + 1) * words] }
            try requireEqual(
                "destination", device.read(UInt32.self, count: source.count, from: output),
                copied + [UInt32](repeating: 0, count: source.count - copied.count))
        }
    }
}
