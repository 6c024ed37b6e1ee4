import Accelerator
import ExpertKernels
import KernelLanguage

/// The kernels between ranks, prepared for one configuration.
struct CommunicationKernels {
    let dispatchSend: LoadedKernel
    let dispatchReceive: LoadedKernel
    let dispatchReceiveOnly: LoadedKernel
    /// With masks: the receive beside a GEMM that waits for rows.
    let dispatchUnpackBeside: LoadedKernel?
    let combineSend: LoadedKernel
    let combineSendOverlapped: LoadedKernel
    let combineReceive: LoadedKernel

    init(_ device: any Device, _ configuration: GroupConfiguration) throws {
        let window = configuration.window
        func combine(signals: Bool) throws -> Kernel {
            try combineSendKernel(
                CombineConfiguration(window: window, blockM: configuration.blockM, signals: signals))
        }
        dispatchSend = try device.loadFitting(dispatchSendKernel(window, signalCount: 2 * configuration.signalCount))
        if window.masks {
            dispatchReceive = try device.loadFitting(dispatchUnpackKernel(window, before: .kernel))
            dispatchReceiveOnly = try device.loadFitting(dispatchUnpackKernel(window, before: .nothing))
            dispatchUnpackBeside = try device.loadFitting(dispatchUnpackKernel(window, before: .arrivingGEMM))
        } else {
            dispatchReceive = try device.loadFitting(dispatchReceiveKernel(window))
            dispatchReceiveOnly = try device.loadFitting(dispatchReceiveKernel(window, endsStep: true))
            dispatchUnpackBeside = nil
        }
        combineSend = try device.loadFitting(combine(signals: false))
        combineSendOverlapped = try device.loadFitting(combine(signals: true))
        combineReceive = try device.loadFitting(combineReceiveKernel(window))
    }
}

extension Device {
    /// Prepares a kernel, and refuses one of which not even one block fits a multiprocessor.
    func loadFitting(_ kernel: Kernel) throws -> LoadedKernel {
        guard kernel.sharedBytes <= properties.sharedBytesPerBlock else {
            throw GroupError.kernelDoesNotFit(
                kernel: kernel.name, sharedBytes: kernel.sharedBytes, available: properties.sharedBytesPerBlock)
        }
        let loaded = try load(kernel)
        guard try blocksPerMultiprocessor(loaded) >= 1 else {
            throw GroupError.kernelDoesNotFit(
                kernel: kernel.name, sharedBytes: kernel.sharedBytes, available: properties.sharedBytesPerBlock)
        }
        return loaded
    }
}
