import Accelerator
import ExpertKernels

/// Scratch memory for grouped GEMMs on streams of callers': those on one stream run one after the other and share it.
package final class StreamScratch {
    let device: any Device
    let waitSeconds: Double
    private var known: [UInt: GEMMScratch] = [:]

    /// - Parameter waitSeconds: What a GEMM may wait for partials of its own thread blocks.
    package init(_ device: any Device, waitSeconds: Double = 10) {
        self.device = device
        self.waitSeconds = waitSeconds
    }

    /// The largest grid that it serves.
    var gridSize: Int { device.properties.multiprocessors }

    /// That of a stream, allocated when it is asked for first.
    func scratch(of stream: DeviceStream) throws -> GEMMScratch {
        if let found = known[stream.handle] { return found }
        let made = try GEMMScratch(
            device, gridSize: gridSize, label: "GEMMs on stream \(stream.id)", waitSeconds: waitSeconds)
        known[stream.handle] = made
        return made
    }

    /// Throws if a wait has failed; everything on the streams must have ended.
    package func requireNoFault() throws { for scratch in known.values { try scratch.requireNoFault(device) } }
}
