import ExpertKernels
import ExpertParallel

/// Whom the ranks of a run go on without, agreed on by all processes that are left.
struct Losses {
    /// A rank that another has masked.
    struct Mask: Codable, Hashable {
        let rank: Int
        let by: Int
        /// For people.
        let cause: String
    }

    private let processes: Processes
    private let layer: MoELayerGroup
    private let masks: Bool
    /// Ranks that were known to be absent when `settle` was called last.
    private(set) var absent: Set<Int> = []
    /// All that was masked, and why.
    private(set) var found: [Mask] = []

    init(_ processes: Processes, _ layer: MoELayerGroup) {
        self.processes = processes
        self.layer = layer
        masks = layer.group.configuration.onFailure == .mask
    }

    /// What outputs lack.
    var missing: MissingRanks { MissingRanks(absent: absent) }

    /// Finds out who was lost since the last call. Processes whose ranks are masked are given up, and ranks of those that
    /// have gone are masked by all, so that all lack the same.
    ///
    /// - Returns: Whether nobody was: then what was run since the last call is of all ranks that are left.
    mutating func settle() throws -> Bool {
        guard masks else { return true }
        let own = try layer.group.ranks.flatMap { rank in
            try rank.maskedRanks().map { Mask(rank: $0.rank, by: rank.index, cause: "\($0)") }
        }
        let all = try processes.gather("masks", own).compactMap { $0 }.joined()
        let late = Set(all.map(\.rank)).subtracting(processes.absentRanks)
        for rank in late where processes.isFirst {
            guard let group = processes.group, let mask = all.first(where: { $0.rank == rank }) else { continue }
            group.rendezvous.giveUp(group.process(of: rank), reason: "it was late: \(mask.cause)")
        }
        // It may still have come to this meeting, but comes to none after it.
        for _ in 0..<2 { try processes.meet("those that are left") }
        let gone = processes.absentRanks
        for rank in layer.group.ranks {
            let known = Set(try rank.maskedRanks().map(\.rank))
            for other in gone.subtracting(known) { try rank.mask(other) }
        }
        for mask in all where !found.contains(where: { $0.rank == mask.rank && $0.by == mask.by }) {
            found.append(mask)
        }
        defer { absent = gone }
        return gone == absent
    }

    /// Takes in all processes that have been started again, one after the other. Those of them call it as well.
    mutating func readmit() throws {
        guard let group = processes.group else { return }
        if processes.isReturning {
            try comeBack(numbers: processes.gather("steps", StepNumbers?.none))
        }
        while let process = processes.absent.min() {
            try group.readmit(process, within: Self.patience)
            try processes.meet("a return")
            let back = Array(group.ranks(of: process))
            for rank in layer.group.ranks {
                for other in back { try rank.replaceWindows(of: other, within: Self.patience) }
            }
            _ = try processes.gather("steps", StepNumbers?.some(layer.group.ranks[0].currentStep()))
            try processes.meet("a step")
            for rank in layer.group.ranks { for other in back { try rank.unmask(other) } }
            try processes.meet("a return")
        }
        absent = processes.absentRanks
    }

    /// The part of a process that comes back: its ranks are at the step at which the others are.
    private func comeBack(numbers: [StepNumbers??]) throws {
        guard let step = numbers.lazy.compactMap({ ($0 ?? nil) ?? nil }).first else { return }
        for rank in layer.group.ranks {
            try rank.adopt(step: step)
            for other in processes.absentRanks { try rank.mask(other) }
        }
        try processes.meet("a step")
        try processes.meet("a return")
    }

    /// Seconds in which a process that is started again must have come.
    private static let patience = 120.0
}
