import Accelerator
import ExpertKernels
import KernelLanguage

/// The kernels between ranks, prepared for one configuration.
struct CommunicationKernels {
    let dispatchSend: LoadedKernel
    let dispatchReceive: LoadedKernel
    let combineSend: LoadedKernel
    let combineSendOverlapped: LoadedKernel
    let combineReceive: LoadedKernel
    /// Further kernels of layers; nil for an engine's calls.
    let forLayers: ForLayers?
    /// The rank barrier of an engine's calls; nil for layers.
    let rankBarrier: LoadedKernel?

    /// Kernels that only layers have.
    struct ForLayers {
        /// The receive of a step that is nothing but a dispatch.
        let dispatchReceiveOnly: LoadedKernel
        /// With masks: the receive beside a GEMM that waits for rows.
        let dispatchUnpackBeside: LoadedKernel?
    }

    /// The kernels of layers, whose steps are a dispatch and a combine each.
    static func forLayers(_ device: any Device, _ configuration: GroupConfiguration) throws -> CommunicationKernels {
        let window = configuration.window
        return try CommunicationKernels(
            device, configuration,
            dispatchReceive: window.masks
                ? dispatchUnpackKernel(window, before: .kernel) : dispatchReceiveKernel(window),
            combineReceive: combineReceiveKernel(window, sharedWeights: configuration.hasSharedGate),
            forLayers: ForLayers(
                dispatchReceiveOnly: device.loadFitting(
                    window.masks
                        ? dispatchUnpackKernel(window, before: .nothing) : dispatchReceiveKernel(window, endsStep: true)
                ),
                dispatchUnpackBeside: window.masks
                    ? device.loadFitting(dispatchUnpackKernel(window, before: .arrivingGEMM)) : nil))
    }

    /// The kernels of an engine's calls, which may leave out combines or repeat them, and read how long they waited.
    static func forCalls(_ device: any Device, _ configuration: GroupConfiguration) throws -> CommunicationKernels {
        let window = configuration.window
        return try CommunicationKernels(
            device, configuration, repeats: true,
            dispatchReceive: window.masks
                ? dispatchUnpackKernel(window, before: .kernel, totals: true)
                : dispatchReceiveKernel(window, totals: true),
            combineReceive: combineReceiveKernel(window, totals: true),
            rankBarrier: device.loadFitting(rankBarrierKernel(window)))
    }

    private init(
        _ device: any Device, _ configuration: GroupConfiguration, repeats: Bool = false, dispatchReceive: Kernel,
        combineReceive: Kernel, forLayers: ForLayers? = nil, rankBarrier: LoadedKernel? = nil
    ) throws {
        let window = configuration.window
        func load(_ kernel: Kernel, _ name: ProfilerName) throws -> LoadedKernel {
            try device.loadFitting(rankBarrier == nil ? kernel : kernel.named(name))
        }
        func combine(signals: Bool) throws -> Kernel {
            var combine = CombineConfiguration(window: window, blockM: configuration.blockM, signals: signals)
            combine.repeats = repeats
            return try combineSendKernel(combine)
        }
        dispatchSend = try load(dispatchSendKernel(window, signalCount: 2 * configuration.signalCount), .dispatch)
        self.dispatchReceive = try load(dispatchReceive, .dispatch)
        combineSend = try load(combine(signals: false), .combine)
        combineSendOverlapped = try load(combine(signals: true), .combine)
        self.combineReceive = try load(combineReceive, .combine)
        (self.forLayers, self.rankBarrier) = (forLayers, rankBarrier)
    }
}

/// Kernel names that profilers show for an engine's calls: one for the send and the receive of each, mangled as C++
/// functions, since tools around DeepEP look for such names.
private enum ProfilerName: String {
    /// `swiftep::low_latency::dispatch()`
    case dispatch = "_ZN7swiftep11low_latency8dispatchEv"
    /// `swiftep::low_latency::combine()`
    case combine = "_ZN7swiftep11low_latency7combineEv"
}

extension Kernel {
    fileprivate func named(_ name: ProfilerName) -> Kernel {
        var kernel = self
        kernel.name = name.rawValue
        return kernel
    }
}
