import Accelerator
import KernelLanguage

/// Builds a small kernel, runs it and returns what it wrote.
///
/// - Parameters:
///   - inputs: One buffer of 32-bit words each.
///   - outputWords: Size of the output; words that the kernel leaves out read as 0xFFFFFFFF.
///   - body: The kernel, given pointers to inputs and output.
func runKernel(
    on device: any Device, name: String, threads: Int = 32, blocks: Int = 1, inputs: [[UInt32]] = [],
    maps: [TensorMap] = [], outputWords: Int,
    _ body: (KernelBuilder, [Pointer<UInt32>], Pointer<UInt32>, [TensorMapParameter]) -> Void
) throws -> [UInt32] {
    let kernel = try KernelBuilder.build(name, threads: threads) { k in
        let pointers = inputs.indices.map { k.pointerParameter("input\($0)", to: UInt32.self) }
        let output = k.pointerParameter("output", to: UInt32.self)
        let parameters = maps.indices.map { k.tensorMapParameter("map\($0)") }
        body(k, pointers, output, parameters)
    }
    let stream = try device.makeStream(label: name)
    let buffers = try inputs.enumerated().map { try device.makeBuffer($1, label: "input \($0)") }
    let output = try device.allocate(bytes: max(16, outputWords * 4), label: "output")
    try device.fill(output, with: 0xFF, on: stream)
    try device.launch(
        device.load(kernel), blocks: blocks,
        arguments: buffers.map { .address($0.address) } + [.address(output.address)] + maps.map { .tensorMap($0) },
        dependentLaunch: false, on: stream)
    try device.synchronize(stream)
    return try device.read(UInt32.self, count: outputWords, from: output)
}

/// A case of a kernel with one thread per element: `operands` in, one word out.
func elementwiseCase(
    _ name: String, _ operands: [[UInt32]], expected: [UInt32],
    tolerance: (@Sendable (UInt32, UInt32) -> Bool)? = nil,
    _ body: @escaping @Sendable (KernelBuilder, [Value<UInt32>]) -> Value<UInt32>
) -> ConformanceCase {
    ConformanceCase("operation \(name)") { device in
        let count = expected.count
        let found = try runKernel(
            on: device, name: "operation", threads: 32, blocks: (count + 31) / 32, inputs: operands,
            outputWords: count
        ) { k, inputs, output, _ in
            let index = k.blockIndex * 32 + k.threadIndex
            k.if(index < count) {
                k.store(body(k, inputs.map { k.load($0 + index) }), to: output + index)
            }
        }
        for index in 0..<count {
            let (a, b) = (found[index], expected[index])
            if a != b, tolerance?(a, b) != true {
                let values = operands.map { "0x" + String($0[index], radix: 16) }.joined(separator: ", ")
                throw ConformanceFailure(
                    "operands \(values): 0x\(String(a, radix: 16)), expected 0x\(String(b, radix: 16))")
            }
        }
    }
}

/// All pairs of the values.
func pairs(_ values: [UInt32]) -> [[UInt32]] {
    [values.flatMap { a in values.map { _ in a } }, values.flatMap { _ in values }]
}
