import KernelLanguage

/// The steps of a program that warps have reached, in all of its launches.
final class ReachedSteps {
    let program: ProgramStorage
    /// By step.
    let flags: UnsafeMutablePointer<Bool>

    init(_ program: ProgramStorage) {
        self.program = program
        flags = .allocate(capacity: program.operations.count)
        flags.initialize(repeating: false, count: program.operations.count)
    }

    deinit { flags.deallocate() }

    /// By the number of the operation.
    var operations: [Bool] {
        var result = [Bool](repeating: false, count: (program.operations.max() ?? -1) + 1)
        for (step, operation) in program.operations.enumerated() where flags[step] { result[operation] = true }
        return result
    }
}

extension SimulatedMachine {
    /// With a schedule: for each program that was launched, its kernel, and whether some thread has reached an
    /// operation, by the operations' numbers as ``Mutation/number`` counts them. Otherwise nothing.
    public var reachedOperations: [(kernel: Kernel, isReached: [Bool])] {
        (judge?.reached.values).map { $0.map { ($0.program.kernel, $0.operations) } } ?? []
    }
}
