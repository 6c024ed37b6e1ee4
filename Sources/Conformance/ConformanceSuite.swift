import Accelerator

/// All conformance cases.
package enum ConformanceSuite {
    /// The cases for a kind of device, small ones first. A GPU also runs those that would take a simulator too long.
    package static func cases(for kind: DeviceProperties.Kind) -> [ConformanceCase] {
        operationCases() + networkCases(for: kind) + streamCases() + tilePlanCases() + gemmCases()
            + communicationCases() + barrierCases() + receiveTotalsCases() + layerCases()
            + protocolCases() + arrivalCases() + maskCases() + networkLayerCases(for: kind) + weightPackingCases()
            + (kind == .cuda ? fullSizeCases() + manyReplaysCases() : [])
    }
}
