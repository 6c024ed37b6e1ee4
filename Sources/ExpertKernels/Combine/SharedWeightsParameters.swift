import KernelLanguage

/// What a combine receive is given besides, where the shared expert has a gate.
package struct SharedWeightsParameters: KernelParameters {
    /// Float32 `[maxTokens]`: how much the shared experts count for each token.
    package var sharedWeights: MemoryParameter<Float>

    /// Parameters as given.
    package init(sharedWeights: MemoryParameter<Float>) { self.sharedWeights = sharedWeights }
}
