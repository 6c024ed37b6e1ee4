import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

/// Other work between two steps of a layer: it reads or copies memory that the layer does not use, as attention does.
struct BetweenWork {
    /// The work and its amount.
    struct Amount: Hashable, CustomStringConvertible {
        /// A copy leaves lines in the L2 that have to be written back when the layer's come; reads leave none.
        var direction: StreamDirection
        /// Bytes that are read or written, half of them each where they are copied.
        var bytes: Int
        /// Bytes of the memory that it goes round, as often as it takes. Memory that fits the L2 is found there.
        var memoryBytes: Int

        var description: String {
            let all = Self.text(bytes)
            let round = memoryBytes == bytes ? all : "\(all) round and round in \(Self.text(memoryBytes))"
            return direction == .read ? "read \(round)" : "read and write \(round)"
        }

        private static func text(_ bytes: Int) -> String {
            let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1000)]
            let unit = units.first { bytes % $0.1 == 0 } ?? ("bytes", 1)
            return "\(bytes / unit.1) \(unit.0)"
        }
    }

    private let device: any Device
    private let kernel: LoadedKernel
    private let chunks: Int
    private let launches: Int
    private let blocks: Int
    /// For each rank of this process, the memory that is read, and that is written by copies.
    private let memory: [(source: DeviceBuffer, destination: DeviceBuffer?)]

    /// Allocates the memory of `group`'s ranks, which share the amount with all others of the device.
    init(_ group: RankGroup, _ amount: Amount) throws {
        let (device, configuration) = (group.device, group.configuration)
        self.device = device
        kernel = try device.load(streamKernel(amount.direction))
        let blocks = configuration.multiprocessors
        let sides = amount.direction == .copy ? 2 : 1
        let chunks = max(1, amount.memoryBytes / (sides * streamChunkBytes * configuration.ranksOnDevice))
        launches = max(1, (amount.bytes + amount.memoryBytes / 2) / amount.memoryBytes)
        (self.blocks, self.chunks) = (blocks, chunks)
        memory = try group.ranks.map { rank in
            let source = try device.allocate(bytes: chunks * streamChunkBytes, label: "source of other work")
            try device.fill(source, with: 0x5A, on: rank.compute)
            try device.synchronize(rank.compute)
            guard amount.direction == .copy else { return (source, nil) }
            let stored = storedChunks(of: chunks, every: 1, gridSize: blocks).count
            return (
                source,
                try device.allocate(bytes: stored * streamChunkBytes, label: "destination of other work")
            )
        }
    }

    /// Ranks of this process, each of which has its part of the work.
    var places: Int { memory.count }

    /// Enqueues the part of a rank of this process, given by its place among them.
    func enqueue(_ place: Int, on stream: DeviceStream) throws {
        let (source, destination) = memory[place]
        let arguments: [KernelArgument] =
            if let destination {
                [.address(source.address), .address(destination.address), .uint32(UInt32(chunks)), .uint32(1)]
            } else {
                [.address(source.address), .uint32(UInt32(chunks))]
            }
        for _ in 0..<launches {
            try device.launch(kernel, blocks: blocks, arguments: arguments, dependentLaunch: false, on: stream)
        }
    }
}
