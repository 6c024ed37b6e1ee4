import Accelerator
import KernelLanguage

/// How many steps a rank has completed, by which kernels of all ranks tell what is of the step under way.
public struct StepNumbers: Hashable, Sendable, Codable {
    /// Of the whole batch, and with `GroupConfiguration.twoBatch` of each half.
    public var completed: [UInt32]

    /// Numbers as given.
    public init(completed: [UInt32]) { self.completed = completed }
}
