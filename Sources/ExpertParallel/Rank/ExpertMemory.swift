import Accelerator
import ExpertKernels
import KernelLanguage
import Transport

/// Memory of a rank's experts besides the rows that arrive: their results, and their GEMMs' scratch memory.
struct ExpertMemory: Sendable {
    /// BF16 `[rankExperts, maxRows, paddedHidden]`, which the combine sends home.
    let output: DeviceArray<BFloat16>
    /// One for the gate and up GEMM, and one for the down GEMM, which may begin before the other has ended.
    let scratch: (gateUp: GEMMScratch, down: GEMMScratch)

    init(
        _ device: any Device, _ configuration: GroupConfiguration, _ transport: any Transport, _ records: RankRecords,
        label: String
    ) throws {
        let (shape, what) = (configuration.shape, "expert output of \(label)")
        let count = shape.rankExperts * shape.maxRows * shape.paddedHidden
        output =
            try configuration.network == nil
            ? device.allocate(BFloat16.self, count: count, label: what)
            : DeviceArray(transport.makeSource(what, bytes: 2 * count, on: device))
        func scratch(_ what: String) throws -> GEMMScratch {
            try GEMMScratch(
                device, gridSize: configuration.multiprocessors, label: "\(what) of \(label)",
                faultRecord: records.fault.buffer, waitSeconds: configuration.waitLimit)
        }
        self.scratch = (try scratch("gate and up"), try scratch("down"))
    }

    /// Buffers that are zero before the first step.
    var state: [DeviceBuffer] { [scratch.gateUp.flags, scratch.down.flags] }
}
