import Accelerator
import ExpertKernels
import KernelLanguage

/// A grouped GEMM ready to launch: kernel, tensor maps and operands.
package struct GroupedGEMM {
    private let device: any Device
    private let kernel: LoadedKernel
    private let arguments: [KernelArgument]
    /// Arguments are bare addresses; this keeps what they point at.
    private let operands: [DeviceBuffer]

    /// - Parameter signals: Needed if the configuration has signals.
    package init(
        _ device: any Device, _ configuration: GEMMConfiguration, _ weights: WeightBuffer, rows: DeviceBuffer,
        rowScales: DeviceBuffer, counts: DeviceBuffer, output: DeviceBuffer, signals: DeviceBuffer?
    ) throws {
        self.device = device
        operands = [weights.values, weights.scales, rows, rowScales, counts, output] + (signals.map { [$0] } ?? [])
        kernel = try device.loadFitting(groupedGEMMKernel(configuration))
        let (k, blockK) = (configuration.k, GEMMConfiguration.blockK)
        func map(_ buffer: DeviceBuffer, rows: Int, boxRows: Int) -> KernelArgument {
            .tensorMap(
                TensorMap(
                    address: buffer.address, element: .float8E4M3, dimensions: [k, rows], strides: [k],
                    box: [blockK, boxRows], swizzle: .bytes128))
        }
        arguments = [
            map(weights.values, rows: configuration.experts * configuration.n, boxRows: GEMMConfiguration.blockN),
            map(rows, rows: configuration.experts * configuration.maxRows, boxRows: configuration.blockM),
            .address(weights.scales.address), .address(rowScales.address), .address(counts.address),
            .address(output.address), .address((signals ?? counts).address),
        ]
    }

    /// Enqueues the GEMM on a persistent grid of `blocks` blocks, one to a multiprocessor.
    package func enqueue(blocks: Int, on stream: DeviceStream) throws {
        try device.launch(kernel, blocks: blocks, arguments: arguments, dependentLaunch: false, on: stream)
    }
}
