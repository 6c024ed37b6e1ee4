import Accelerator
import ExpertKernels
import KernelLanguage

/// Reads and copies memory of several sizes, and measures how long that takes.
struct CeilingBench {
    /// The sizes to stream through.
    private struct Plan {
        let sizes: [(name: String, bytes: Int)]
        /// Size of the buffer that launches go round in, at most a multiple of each size.
        let bufferBytes: Int
    }

    private let device: any Device
    private let plan: Plan

    init(_ device: any Device) {
        self.device = device
        let down = 16 * 7168 * 2048
        let sizes = [
            ("down weights", down), ("gate and up weights", 2 * down), ("all weights", 3 * down), ("4 GiB", 4 << 30),
        ]
        if device.properties.kind == .cuda {
            plan = Plan(sizes: sizes, bufferBytes: 6 << 30)
        } else {
            // 7 x 128 x 256 bytes divide all weights: still whole chunks.
            let small = sizes.map { (name: "\($0.0) / 256", bytes: $0.1 / 256 / streamChunkBytes * streamChunkBytes) }
            plan = Plan(sizes: small, bufferBytes: 32 << 20)
        }
    }

    /// Measures everything.
    func run() throws -> CeilingReport {
        var report = CeilingReport(device.properties)
        let stream = try device.makeStream(label: "bench")
        let source = try device.allocate(bytes: plan.bufferBytes, label: "source")
        let destination = try device.allocate(bytes: plan.bufferBytes, label: "destination")
        try device.fill(source, with: 0x5A, on: stream)
        try device.fill(destination, with: 0, on: stream)
        for direction in StreamDirection.allCases {
            let kernel = try device.load(streamKernel(direction))
            for size in plan.sizes {
                Console.progress("\(direction.rawValue) \(size.name)")
                let times = try measure(kernel, direction, size.bytes, source, destination, stream)
                report.add(direction, size.name, bytes: size.bytes, nanoseconds: times)
            }
        }
        return report
    }

    /// Nanoseconds of a launch in each of the measured replays.
    private func measure(
        _ kernel: LoadedKernel, _ direction: StreamDirection, _ bytes: Int, _ source: DeviceBuffer,
        _ destination: DeviceBuffer, _ stream: DeviceStream
    ) throws -> [Double] {
        let slots = max(1, plan.bufferBytes / bytes)
        return try GraphTimer(device.properties.kind).measure(device, on: stream) { launch in
            let offset = UInt64(launch % slots * bytes)
            var arguments = [KernelArgument.address(source.address + offset)]
            if direction == .copy { arguments.append(.address(destination.address + offset)) }
            arguments.append(.uint32(UInt32(bytes / streamChunkBytes)))
            if direction == .copy { arguments.append(.uint32(1)) }
            try device.launch(
                kernel, blocks: device.properties.multiprocessors, arguments: arguments, dependentLaunch: false,
                on: stream)
        }
    }
}
