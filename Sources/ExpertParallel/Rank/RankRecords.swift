import Accelerator
import ExpertKernels
import KernelLanguage

/// Records that a rank's kernels write: faults, statistics, traces, masks.
struct RankRecords: Sendable {
    /// See `WaitFault`.
    let fault: DeviceArray<UInt64>
    /// UInt64 `[2]`: polls of the combine send that found their block not ready, and all its waits.
    let statistics: DeviceArray<UInt64>
    /// See `TraceEvent`; nil where nothing is traced.
    let trace: DeviceArray<UInt64>?
    /// The rank's masks; nil where every wait that times out is a fault at once. With a network and
    /// `FailurePolicy.stop` the host turns a mask into a fault.
    let masks: RankMaskMemory?
    /// Parameters of each kernel that waits.
    let watchdog: WatchdogParameters

    init(_ device: any Device, _ configuration: GroupConfiguration, rank: Int) throws {
        fault = try device.allocate(UInt64.self, count: WaitFault.words, label: "fault record of rank \(rank)")
        statistics = try device.allocate(UInt64.self, count: 2, label: "statistics of rank \(rank)")
        trace =
            try configuration.traced
            ? device.allocate(UInt64.self, count: TraceEvent.traceBytes / 8, label: "trace of rank \(rank)") : nil
        masks =
            try configuration.window.masks ? RankMaskMemory(device, configuration, rank: rank) : nil
        watchdog = WatchdogParameters(faultRecord: fault.parameter, seconds: configuration.waitLimit)
    }

    /// Buffers that are zero before the first step.
    var state: [DeviceBuffer] {
        [fault.buffer, statistics.buffer]
            + [trace?.buffer, masks?.records.buffer, masks?.cardBusy?.buffer].compactMap { $0 }
    }

    /// Further parameters of a traced kernel that is launched as `phase`; nil where nothing is traced.
    func traceParameters(_ phase: StepPhase) -> TraceParameters? {
        trace.map { TraceParameters(trace: $0.parameter, label: phase.rawValue) }
    }

    /// The wait that has failed, if one has.
    func fault(_ device: any Device, rank: Int, _ shape: LayerShape) throws -> WaitFault? {
        WaitFault(
            record: try device.read(UInt64.self, count: WaitFault.words, from: fault.buffer), rank: rank, shape: shape)
    }

    /// The first wait for another rank that was given up, where waits mask ranks.
    func firstMask(_ device: any Device, rank: Int, _ shape: LayerShape) throws -> WaitFault? {
        guard let records = masks?.records else { return nil }
        let words = try device.read(UInt64.self, count: records.count, from: records.buffer)
        return stride(from: 0, to: words.count, by: WaitFault.words).compactMap {
            WaitFault(record: Array(words[$0..<$0 + WaitFault.words]), rank: rank, shape: shape)
        }.min { $0.time < $1.time }
    }
}
