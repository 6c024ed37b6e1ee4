import Accelerator

/// A test that every device must pass: the simulator in the test suite, a GPU through `swiftep verify`.
package struct ConformanceCase: Sendable, CustomStringConvertible {
    /// Unique name with all values that tell it from its neighbours.
    package let name: String
    private let body: @Sendable (any Device) throws -> Void

    init(_ name: String, _ body: @escaping @Sendable (any Device) throws -> Void) {
        self.name = name
        self.body = body
    }

    /// Runs the case.
    ///
    /// - Throws: `ConformanceFailure` for a wrong result, or what the library threw.
    package func run(on device: any Device) throws { try body(device) }

    /// The name.
    package var description: String { name }
}

/// A wrong result.
package struct ConformanceFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// What differs, with place and both values.
    package let description: String

    init(_ description: String) { self.description = description }
}

/// Fails unless the condition holds.
func require(_ condition: Bool, _ problem: @autoclosure () -> String) throws(ConformanceFailure) {
    if !condition { throw ConformanceFailure(problem()) }
}

/// Fails at the first element that differs.
func requireEqual<T: Equatable>(_ what: String, _ found: [T], _ expected: [T]) throws(ConformanceFailure) {
    try require(found.count == expected.count, "\(what): \(found.count) elements, expected \(expected.count)")
    for index in found.indices where found[index] != expected[index] {
        throw ConformanceFailure("\(what)[\(index)] is \(found[index]), expected \(expected[index])")
    }
}
