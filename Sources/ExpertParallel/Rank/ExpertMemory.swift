import Accelerator
import ExpertKernels
import KernelLanguage

/// What a rank's experts need besides the rows that arrive: room for their results, and what their GEMMs pass on.
struct ExpertMemory: Sendable {
    /// BF16 `[rankExperts, maxRows, paddedHidden]`, which the combine sends home.
    let output: DeviceArray<BFloat16>
    /// For the GEMMs: one for gate and up, and one for down, which may begin before the other has ended.
    let scratch: (gateUp: GEMMScratch, down: GEMMScratch)

    init(_ device: any Device, _ configuration: GroupConfiguration, _ records: RankRecords, label: String) throws {
        let shape = configuration.shape
        output = try device.allocate(
            BFloat16.self, count: shape.rankExperts * shape.maxRows * shape.paddedHidden,
            label: "expert output of \(label)")
        func scratch(_ what: String) throws -> GEMMScratch {
            try GEMMScratch(
                device, gridSize: configuration.multiprocessors, label: "\(what) of \(label)",
                faultRecord: records.fault.buffer, waitSeconds: configuration.waitLimit)
        }
        self.scratch = (try scratch("gate and up"), try scratch("down"))
    }

    /// What is zero before the first step.
    var state: [DeviceBuffer] { [scratch.gateUp.flags, scratch.down.flags] }
}
