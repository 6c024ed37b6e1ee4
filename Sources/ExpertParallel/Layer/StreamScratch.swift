import Accelerator
import ExpertKernels

/// Scratch memory for grouped GEMMs on streams of callers': those on one stream run one after the other and share it.
package final class StreamScratch {
    let device: any Device
    let waitSeconds: Double
    private var known: [UInt: GEMMScratch] = [:]
    /// For streams that come while they are being captured, when nothing may be allocated: engines capture on streams
    /// that have not run before.
    private var spare: [GEMMScratch] = []
    private static let spares = 2

    /// - Parameter waitSeconds: What a GEMM may wait for partials of its own thread blocks.
    package init(_ device: any Device, waitSeconds: Double = 10) {
        self.device = device
        self.waitSeconds = waitSeconds
    }

    /// The largest grid that it serves.
    var gridSize: Int { device.properties.multiprocessors }

    /// That of a stream, from then on its own.
    ///
    /// - Throws: `GroupError.scratchDuringCapture` where there is none left for a stream that is being captured.
    func scratch(of stream: DeviceStream) throws -> GEMMScratch {
        if let found = known[stream.handle] { return found }
        if try !device.isCapturing(stream) { try fill() }
        guard let taken = spare.popLast() else { throw GroupError.scratchDuringCapture }
        known[stream.handle] = taken
        return taken
    }

    /// Allocates what may be needed while nothing can be allocated. No stream may be being captured.
    func fill() throws {
        while spare.count <= Self.spares {
            spare.append(
                try GEMMScratch(
                    device, gridSize: gridSize, label: "GEMMs on a caller's stream", waitSeconds: waitSeconds))
        }
    }

    /// Throws if a wait has failed; everything on the streams must have ended.
    package func requireNoFault() throws { for scratch in known.values { try scratch.requireNoFault(device) } }
}
