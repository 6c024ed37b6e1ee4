import ExpertKernels
import ExpertParallel
import Transport

/// The ranks that a run goes on without, agreed on by all processes that are left.
struct Losses {
    /// A rank that another has masked.
    struct Mask: Codable, Hashable {
        let rank: Int
        let by: Int
        /// Nanoseconds of the device's clock when a wait was given up; nil where the host masked the rank.
        let time: UInt64?
        /// The cause, in words.
        let cause: String
    }

    private let processes: Processes
    private let layer: MoELayerGroup
    private let masks: Bool
    /// Ranks that were known to be absent when `settle` was called last.
    private(set) var absent: Set<Int> = []
    /// All masks so far, with their causes.
    private(set) var found: [Mask] = []

    init(_ processes: Processes, _ layer: MoELayerGroup) {
        self.processes = processes
        self.layer = layer
        masks = layer.group.configuration.onFailure == .mask
    }

    /// The ranks whose terms outputs lack.
    var missing: MissingRanks { MissingRanks(absent: absent) }

    /// Finds the ranks that were lost since the last call. Processes whose ranks are masked are given up, and ranks of
    /// those that have gone are masked by all, so that all lack the same.
    ///
    /// - Returns: Whether none was lost: then results since the last call are of all ranks that are left.
    mutating func settle() throws -> Bool {
        guard masks else { return true }
        let own = try layer.group.ranks.flatMap { rank in
            try rank.maskedRanks().map { Mask($0, by: rank.index) }
        }
        let all = try Array(processes.gather("masks", own).compactMap { $0 }.joined())
        if processes.isFirst, let group = processes.group {
            for (process, mask) in late(all, group) {
                group.rendezvous.giveUp(process, reason: "it was late: \(mask.cause)")
            }
        }
        // A lost process may still have come to the first meeting, but comes to none after it.
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

    /// Processes that are there and have masked ranks, each with a wait for it.
    ///
    /// One that was paused finds all others late when it goes on. So the one that most others have masked counts as
    /// late first, and the earlier one of two; the masks by ranks of late processes then no longer count.
    private func late(_ masks: [Mask], _ group: ProcessGroup) -> [(process: Int, mask: Mask)] {
        var result: [(process: Int, mask: Mask)] = []
        var open = masks.filter { !processes.absentRanks.contains($0.rank) && $0.time != nil }
        while !open.isEmpty {
            let accused = Dictionary(grouping: open) { group.process(of: $0.rank) }.mapValues { masks in
                (
                    by: Set(masks.map { group.process(of: $0.by) }).count,
                    first: masks.min { ($0.time ?? 0) < ($1.time ?? 0) }
                )
            }
            let most = accused.max { a, b in
                (a.value.by, b.value.first?.time ?? 0) < (b.value.by, a.value.first?.time ?? 0)
            }
            guard let (process, evidence) = most, let mask = evidence.first else { break }
            result.append((process, mask))
            open.removeAll { group.process(of: $0.rank) == process || group.process(of: $0.by) == process }
        }
        return result
    }

    /// Readmits all processes that have been started again, one after the other. Those processes call it as well.
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
            processes.takeIn(process)
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

extension Losses.Mask {
    fileprivate init(_ masked: MaskedRank, by rank: Int) {
        self.rank = masked.rank
        by = rank
        if case .wait(let fault) = masked.cause { time = fault.time } else { time = nil }
        cause = "\(masked)"
    }
}
