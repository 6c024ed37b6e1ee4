import KernelLanguage

/// Parameters of the mask status kernel.
package struct MaskStatusParameters: KernelParameters {
    /// UInt64 `[ranks, WaitFault.words]`, see `MaskParameters`.
    package var masks: MemoryParameter<UInt64>
    /// Written: UInt32 `[ranks]`, 1 for each rank that is masked, else 0.
    package var status: MemoryParameter<UInt32>

    /// The rank's masks, and the memory for their status.
    package init(masks: MemoryParameter<UInt64>, status: MemoryParameter<UInt32>) {
        self.masks = masks
        self.status = status
    }
}

/// Writes which of `ranks` ranks are masked, in the order of a stream. One thread block. Takes `MaskStatusParameters`.
package func maskStatusKernel(ranks: Int) throws(VerificationError) -> Kernel {
    let threads = 128
    return try KernelBuilder.build("mask_status_n\(ranks)", threads: threads) { k in
        let parameters = k.parameters(MaskStatusParameters.self)
        k.for(from: k.threadIndex, to: k.constant(UInt32(ranks)), by: threads) { rank in
            let word = k.load(parameters.masks + rank * WaitFault.words)
            k.store((word != 0).select(k.constant(UInt32(1)), k.constant(UInt32(0))), to: parameters.status + rank)
        }
    }
}
