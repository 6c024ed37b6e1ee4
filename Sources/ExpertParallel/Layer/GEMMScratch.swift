import Accelerator
import ExpertKernels
import KernelLanguage

/// Memory through which the thread blocks of a grouped GEMM pass on partials of split tiles. GEMMs that run one after
/// the other share it; those that may run at the same time may not.
package struct GEMMScratch: Sendable {
    /// Largest grid that it serves.
    let gridSize: Int
    /// See `SplitPartials`.
    let partials: DeviceBuffer
    /// UInt32 `[GEMMConfiguration.partialFlags]`, zero between launches.
    package let flags: DeviceBuffer
    /// The record of a wait for partials that takes longer than `waitSeconds`.
    let faultRecord: DeviceBuffer
    private let waitSeconds: Double

    /// Allocates it, with the flags in the state before the first launch.
    ///
    /// - Parameter faultRecord: nil for one of its own, which `requireNoFault` reads.
    package init(
        _ device: any Device, gridSize: Int, label: String, faultRecord: DeviceBuffer? = nil,
        waitSeconds: Double = 10
    ) throws {
        self.gridSize = gridSize
        partials = try device.allocate(
            bytes: GEMMConfiguration.partialBytes(gridSize: gridSize), label: "split partials of \(label)")
        flags = try device.makeBuffer(
            [UInt32](repeating: 0, count: GEMMConfiguration.partialFlags(gridSize: gridSize)),
            label: "split flags of \(label)")
        self.faultRecord =
            try faultRecord
            ?? device.makeBuffer([UInt64](repeating: 0, count: WaitFault.words), label: "fault record of \(label)")
        self.waitSeconds = waitSeconds
    }

    /// Addresses of the partials and their flags, for a GEMM.
    var parameters: SplitPartialParameters {
        SplitPartialParameters(
            splitSums: MemoryParameter(address: partials.address), splitFlags: MemoryParameter(address: flags.address))
    }

    /// The watchdog of its waits.
    var watchdog: WatchdogParameters {
        WatchdogParameters(faultRecord: MemoryParameter(address: faultRecord.address), seconds: waitSeconds)
    }

    /// Throws if a wait has failed.
    package func requireNoFault(_ device: any Device) throws {
        let record = try device.read(UInt64.self, count: WaitFault.words, from: faultRecord)
        if let fault = WaitFault(record: record, rank: 0) {
            throw GroupError.waitTimedOut(fault, seconds: waitSeconds, others: [])
        }
    }
}
