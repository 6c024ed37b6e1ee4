import Accelerator
import ExpertKernels

/// Memory through which the blocks of a grouped GEMM hand on sums of tiles that one begins and another finishes. GEMMs
/// that run one after the other share it; those that may run at the same time may not.
package struct GEMMScratch: Sendable {
    /// Largest grid that it serves.
    let gridSize: Int
    /// See `SplitSums`.
    let sums: DeviceBuffer
    /// UInt32 `[gridSize]`, zero between launches.
    package let flags: DeviceBuffer
    /// Where a wait for sums that takes longer than `waitNanoseconds` is recorded.
    let faultRecord: DeviceBuffer
    let waitNanoseconds: UInt64

    /// Allocates it, with the flags in the state before the first launch.
    ///
    /// - Parameter faultRecord: nil for one of its own, which `requireNoFault` looks at.
    package init(
        _ device: any Device, gridSize: Int, label: String, faultRecord: DeviceBuffer? = nil,
        waitSeconds: Double = 10
    ) throws {
        self.gridSize = gridSize
        sums = try device.allocate(
            bytes: GEMMConfiguration.splitBytes(gridSize: gridSize), label: "split sums of \(label)")
        flags = try device.makeBuffer([UInt32](repeating: 0, count: gridSize), label: "split flags of \(label)")
        self.faultRecord =
            try faultRecord
            ?? device.makeBuffer([UInt64](repeating: 0, count: WaitFault.words), label: "fault record of \(label)")
        waitNanoseconds = UInt64(waitSeconds * 1e9)
    }

    /// Throws if a wait has failed.
    package func requireNoFault(_ device: any Device) throws {
        let record = try device.read(UInt64.self, count: WaitFault.words, from: faultRecord)
        if let fault = WaitFault(record: record, rank: 0) {
            throw GroupError.waitTimedOut(fault, seconds: Double(waitNanoseconds) / 1e9, others: [])
        }
    }
}
