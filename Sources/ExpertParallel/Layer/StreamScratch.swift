import Accelerator
import ExpertKernels
import Synchronization

/// Scratch memory for grouped GEMMs on callers' streams: those on one stream run one after the other and share it.
package final class StreamScratch {
    let device: any Device
    let waitSeconds: Double
    private let memory = Mutex(Memory())

    private struct Memory {
        /// By the handles of streams.
        var known: [UInt: GEMMScratch] = [:]
        /// For streams that come while they are being captured, when nothing may be allocated: engines capture on
        /// streams that have not run before.
        var spare: [GEMMScratch] = []
    }

    private static let spares = 2

    /// - Parameter waitSeconds: Seconds that a GEMM may wait for partials of its own thread blocks.
    package init(_ device: any Device, waitSeconds: Double = 10) {
        self.device = device
        self.waitSeconds = waitSeconds
    }

    /// The largest grid that it serves.
    var gridSize: Int { device.properties.multiprocessors }

    /// The scratch memory of a stream, which keeps it from then on.
    ///
    /// - Throws: `GroupError.scratchDuringCapture` where there is none left for a stream that is being captured.
    func scratch(of stream: DeviceStream) throws -> GEMMScratch {
        if let found = memory.withLock({ $0.known[stream.handle] }) { return found }
        if try !device.isCapturing(stream) { try fill() }
        return try memory.withLock { memory in
            guard let taken = memory.spare.popLast() else { throw GroupError.scratchDuringCapture }
            memory.known[stream.handle] = taken
            return taken
        }
    }

    /// Allocates the spares, for streams that come during their capture. No stream may be under capture now.
    func fill() throws {
        try memory.withLock { memory in
            while memory.spare.count <= Self.spares {
                memory.spare.append(
                    try GEMMScratch(
                        device, gridSize: gridSize, label: "GEMMs on a caller's stream", waitSeconds: waitSeconds))
            }
        }
    }

    /// Throws if a wait has failed; everything on the streams must have ended.
    package func requireNoFault() throws {
        for scratch in memory.withLock({ Array($0.known.values) }) { try scratch.requireNoFault(device) }
    }
}
