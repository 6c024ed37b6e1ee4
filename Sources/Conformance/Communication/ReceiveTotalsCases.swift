import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

/// Receives that add up rows and waits in the caller's memory.
func receiveTotalsCases() -> [ConformanceCase] {
    DispatchFormat.allCases.flatMap { format in [false, true].map { totalsCase(format, masks: $0) } }
        + [
            lateRankCase(masks: true), lateRankCase(masks: false), unwantedTotalsCase(masks: false),
            unwantedTotalsCase(masks: true),
        ]
}

private func shape() throws -> LayerShape {
    try LayerShape(
        hidden: 256, intermediate: 128, experts: 9, topK: 3, ranks: 3, maxTokens: 6, sharedExperts: 1)
}

private let tokens = [6, 2, 5]

extension KernelRanks {
    /// A step of all ranks whose receives add to the members' totals.
    ///
    /// - Parameter lateness: Nanoseconds by which a rank's combine, and with masks its dispatch, is late.
    func stepWithTotals(late: Int? = nil, lateness: UInt64 = 0) throws {
        for member in members {
            let isLate = member.index == late
            if isLate, layout.masks { try delay(member, nanoseconds: lateness) }
            try dispatchSend(member)
            try dispatchReceive(
                member,
                totals: DispatchTotalsParameters(
                    totals: member.rowTotals.parameter, waits: member.dispatchWaits.parameter))
            if isLate { try delay(member, nanoseconds: lateness) }
            try combineSend(member)
            try combineReceive(member, totals: WaitTotalsParameters(waits: member.combineWaits.parameter))
        }
        try requireNoFault()
    }

    /// What a rank's arrival notes say: nanoseconds waited for each rank, and rows of each expert.
    fileprivate func notes(_ member: Member, _ kinds: [ArrivalKind]) throws -> (waits: [UInt64], rows: [UInt64]) {
        let region = layout.arrivalNotes
        let words = try device.read(
            UInt64.self, count: region.count, from: member.window.buffer, offset: region.offset)
        let ranks = layout.shape.ranks
        let waits = (0..<ranks).map { source in
            kinds.map { words[($0.rawValue * ranks + source) * ArrivalNotes.wordsOfSource + 1] }.reduce(0, +)
        }
        return (waits, Array(words[ArrivalNotes.rowsOfExpert(layout.shape)...]))
    }

    fileprivate func read(_ words: DeviceArray<UInt64>) throws -> [UInt64] {
        try device.read(UInt64.self, count: layout.shape.ranks, from: words.buffer)
    }
}

/// Totals agree with the rank's own notes, and are added to the values before.
private func totalsCase(_ format: DispatchFormat, masks: Bool) -> ConformanceCase {
    ConformanceCase("receives add up rows and waits, \(format.rawValue)" + (masks ? ", masks" : "")) { device in
        let shape = try shape()
        let ranks = try KernelRanks(device, RankWindow(shape, format, notesArrivals: true, masks: masks))
        let (rows, dispatch, combine) = (UInt32(1_000), UInt64(1) << 40, UInt64(7))
        for member in ranks.members {
            try device.write([UInt32](repeating: rows, count: shape.localExperts), to: member.rowTotals.buffer)
            try device.write([UInt64](repeating: dispatch, count: shape.ranks), to: member.dispatchWaits.buffer)
            try device.write([UInt64](repeating: combine, count: shape.ranks), to: member.combineWaits.buffer)
        }
        var expected = [UInt32](repeating: rows, count: shape.experts)
        for step in 0..<3 {
            let inputs = LayerFixture(shape, tokens: tokens, pattern: .sparse).inputs(step: step)
            for expert in inputs.flatMap(\.routing.experts) where expert >= 0 { expected[Int(expert)] += 1 }
            try ranks.load(inputs)
            try ranks.stepWithTotals()
            for member in ranks.members {
                let what = "step \(step), rank \(member.index)"
                let own = member.index * shape.localExperts..<(member.index + 1) * shape.localExperts
                try requireEqual(
                    "\(what): rows", device.read(UInt32.self, count: own.count, from: member.rowTotals.buffer),
                    Array(expected[own]))
                let arrived = try ranks.notes(member, masks ? [.counts, .rows] : [.rows])
                try requireEqual(
                    "\(what): noted rows", arrived.rows.dropFirst(shape.sharedExperts).map { UInt32($0) + rows },
                    Array(expected[own]))
                try requireEqual(
                    "\(what): waits for rows", ranks.read(member.dispatchWaits), arrived.waits.map { $0 + dispatch })
                try requireEqual(
                    "\(what): waits for results", ranks.read(member.combineWaits),
                    ranks.notes(member, [.results]).waits.map { $0 + combine })
            }
        }
    }
}

/// A rank that is late is the one that the others have waited for.
private func lateRankCase(masks: Bool) -> ConformanceCase {
    ConformanceCase("totals of waits name a late rank" + (masks ? ", masks" : "")) { device in
        let shape = try shape()
        let late = 1
        let ranks = try KernelRanks(device, RankWindow(shape, .float8, masks: masks))
        try ranks.load(LayerFixture(shape, tokens: tokens).inputs())
        // The first step may find anybody late.
        try ranks.stepWithTotals()
        for member in ranks.members {
            for waits in [member.dispatchWaits, member.combineWaits] {
                try device.write([UInt64](repeating: 0, count: shape.ranks), to: waits.buffer)
            }
        }
        // More than a host takes to enqueue a step, and more than all waits for others together.
        let lateness: UInt64 = device.properties.kind == .cuda ? 20_000_000 : 400_000
        try ranks.stepWithTotals(late: late, lateness: lateness)
        for member in ranks.members where member.index != late {
            let all = [(masks ? "rows" : nil, member.dispatchWaits), ("results", member.combineWaits)]
            for (what, words) in all {
                guard let what else { continue }
                let waits = try ranks.read(words)
                try require(
                    waits[late] > lateness / 2 && waits.enumerated().allSatisfy { $0 == late || $1 < waits[late] },
                    "rank \(member.index) waited for \(what) \(waits) ns; rank \(late) was \(lateness) ns late")
            }
        }
    }
}

/// At address 0 nothing is added.
private func unwantedTotalsCase(masks: Bool) -> ConformanceCase {
    ConformanceCase("receives do without totals that nobody wants" + (masks ? ", masks" : "")) { device in
        let shape = try shape()
        let ranks = try KernelRanks(device, RankWindow(shape, .bfloat16, masks: masks))
        try ranks.load(LayerFixture(shape, tokens: tokens).inputs())
        for wanted in [(rows: false, waits: false), (rows: true, waits: false), (rows: false, waits: true)] {
            for member in ranks.members {
                try ranks.dispatchSend(member)
                try ranks.dispatchReceive(
                    member,
                    totals: DispatchTotalsParameters(
                        totals: wanted.rows ? member.rowTotals.parameter : nil,
                        waits: wanted.waits ? member.dispatchWaits.parameter : nil))
                try ranks.combineSend(member)
                try ranks.combineReceive(member, totals: WaitTotalsParameters(waits: nil))
            }
            try ranks.requireNoFault()
            for member in ranks.members {
                let rows = try device.read(UInt32.self, count: shape.localExperts, from: member.rowTotals.buffer)
                let received = try device.read(UInt32.self, count: shape.rankExperts, from: member.counts.buffer)
                // Rows of the second round alone.
                let expected = wanted == (false, false) ? received.map { _ in 0 } : received
                try requireEqual(
                    "rows of rank \(member.index)", rows, Array(expected.dropFirst(shape.sharedExperts)))
                if !wanted.waits {
                    try require(
                        try ranks.read(member.dispatchWaits).allSatisfy { $0 == 0 }, "waits were added up")
                }
                try require(try ranks.read(member.combineWaits).allSatisfy { $0 == 0 }, "waits were added up")
            }
        }
    }
}
