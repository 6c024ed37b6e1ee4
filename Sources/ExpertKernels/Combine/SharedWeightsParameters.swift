import KernelLanguage

/// Further parameters of a combine receive where the shared expert has a gate.
package struct SharedWeightsParameters: KernelParameters {
    /// Float32 `[maxTokens]`: each token's weight of its shared experts.
    package var sharedWeights: MemoryParameter<Float>

    /// Parameters as given.
    package init(sharedWeights: MemoryParameter<Float>) { self.sharedWeights = sharedWeights }
}
