import Accelerator
import KernelLanguage

/// The numbers of steps that a rank has completed, by which kernels tell words of the current step from older ones.
public struct StepNumbers: Hashable, Sendable, Codable {
    /// The numbers of the whole batch, and with `GroupConfiguration.twoBatch` of each half.
    public var completed: [UInt32]

    /// Numbers as given.
    public init(completed: [UInt32]) { self.completed = completed }
}
