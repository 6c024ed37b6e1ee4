/// Why the simulator cannot run a test.
package struct LitmusObstacle: Error, Hashable, Sendable, CustomStringConvertible {
    /// A few words.
    package let description: String
}
