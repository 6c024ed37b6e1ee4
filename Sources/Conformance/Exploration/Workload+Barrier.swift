import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

extension Workload {
    /// Barriers of all ranks, where a step is not a dispatch and a combine.
    static func barrierWorkloads(narrow: LayerShape) throws -> [Workload] {
        let chain = try LayerShape(hidden: 128, intermediate: 128, experts: 3, topK: 1, ranks: 3, maxTokens: 2)
        return [
            twoCombines(narrow, tokens: [2, 1]), twoCombines(chain, tokens: [2, 0, 1]),
            twoDispatches(narrow, tokens: [2, 1], masks: false), twoDispatches(narrow, tokens: [2, 1], masks: true),
            missedBarrier(chain, masks: false), missedBarrier(chain, masks: true), silentRank(chain),
            lateForBarrier(chain),
        ]
    }

    /// A dispatch that is combined twice: only the barrier says that rows of the first combine have been added up.
    private static func twoCombines(_ shape: LayerShape, tokens: [Int]) -> Workload {
        Workload("a dispatch combined twice tokens=\(tokens)", multiprocessors: 2 * shape.ranks) { device in
            let trial = try TwoCombines(device, shape, LayerFixture(shape, tokens: tokens).inputs())
            return try trial.run(tokens: tokens).joined().map { $0.map(\.bits) }
        }
    }

    /// Dispatches that are never combined: rows of the next one lie where those of the one before are read. With masks,
    /// tokens of every second step land in the same place, and only the barrier between two dispatches says when that
    /// is free.
    private static func twoDispatches(_ shape: LayerShape, tokens: [Int], masks: Bool) -> Workload {
        Workload(
            "dispatches with barriers tokens=\(tokens)" + (masks ? " with masks" : ""),
            multiprocessors: 2 * shape.ranks
        ) { device in
            let ranks = try KernelRanks(device, RankWindow(shape, .float8, masks: masks))
            try ranks.load(LayerFixture(shape, tokens: tokens).inputs())
            let words = ranks.layout.rows.count
            let outputs = try ranks.members.map { member in
                try (0..<2).map {
                    try device.allocate(UInt32.self, count: words, label: "rows \($0) of rank \(member.index)")
                }
            }
            let reader = try rowReader(ranks.layout)
            for member in ranks.members {
                for number in 0..<2 {
                    try ranks.dispatchSend(member)
                    try ranks.dispatchReceive(member, endsStep: masks)
                    try ranks.launch(
                        reader, blocks: 1, member,
                        [
                            RowReaderParameters(
                                window: member.window.parameter, rowsRead: outputs[member.index][number].parameter)
                        ])
                    try ranks.barrier(member)
                }
            }
            try ranks.requireNoFault()
            return try outputs.joined().map { try device.read(UInt16.self, count: 2 * words, from: $0.buffer) }
        }
    }

    private struct RowReaderParameters: KernelParameters {
        var window: MemoryParameter<UInt32>
        var rowsRead: MemoryParameter<UInt32>
    }

    /// Reads dispatched rows, while the next kernel starts already.
    private static func rowReader(_ layout: RankWindow) throws -> Kernel {
        try KernelBuilder.build("row_reader", threads: 32) { k in
            let parameters = k.parameters(RowReaderParameters.self)
            k.waitForPrerequisites()
            k.launchDependents()
            let rows = parameters.window + layout.rows.offset / 4
            k.for(from: k.lane, to: layout.rows.count, by: 32) {
                k.store(k.load(rows + $0), to: parameters.rowsRead + $0)
            }
        }
    }

    /// A barrier that the last rank does not come to: a fault of the others, or they go on without it.
    private static func missedBarrier(_ shape: LayerShape, masks: Bool) -> Workload {
        Workload("a missed barrier ranks=\(shape.ranks)" + (masks ? " with masks" : ""), multiprocessors: shape.ranks) {
            device in
            let ranks = try KernelRanks(device, RankWindow(shape, .float8, masks: masks), waitLimit: 100e-6)
            let others = ranks.members.dropLast()
            for member in ranks.members { try ranks.barrier(member) }
            try ranks.synchronize()
            for _ in 0..<(masks ? 2 : 1) { for member in others { try ranks.barrier(member) } }
            try ranks.synchronize()
            for member in others { try requireMissed(shape.ranks - 1, by: member, of: ranks, [.rankBarrier]) }
            return []
        }
    }

    /// Rank 0 waits for rows that the last rank does not send, and rank 1 at a barrier for both.
    private static func silentRank(_ shape: LayerShape) -> Workload {
        Workload("a barrier behind a silent rank ranks=\(shape.ranks)", multiprocessors: 2 * shape.ranks) { device in
            let ranks = try KernelRanks(device, RankWindow(shape, .float8, masks: true), waitLimit: 100e-6)
            let tokens = [Int](repeating: shape.maxTokens, count: shape.ranks)
            try ranks.load(LayerFixture(shape, tokens: tokens, pattern: .firstRank).inputs())
            let others = ranks.members.dropLast()
            for member in others {
                try ranks.dispatchSend(member)
                try ranks.dispatchReceive(member)
                try ranks.barrier(member)
                try ranks.barrier(member)
            }
            try ranks.dispatchSend(ranks.members[shape.ranks - 1], sendsRows: false)
            try ranks.synchronize()
            for member in others {
                try requireMissed(shape.ranks - 1, by: member, of: ranks, [.rankBarrier, .dispatchReceive])
            }
            return []
        }
    }

    /// A rank that comes when the others may have given it up: they have told it, and it gives them up as well.
    private static func lateForBarrier(_ shape: LayerShape) -> Workload {
        Workload("a barrier and a late rank ranks=\(shape.ranks)", multiprocessors: shape.ranks) { device in
            let ranks = try KernelRanks(device, RankWindow(shape, .float8, masks: true), waitLimit: 100e-6)
            let late = shape.ranks - 1
            try ranks.delay(ranks.members[late], nanoseconds: 300_000)
            for _ in 0..<2 { for member in ranks.members { try ranks.barrier(member) } }
            try ranks.synchronize()
            for member in ranks.members {
                let masked = try ranks.masks(of: member).keys.sorted()
                try require(
                    member.index == late || masked.allSatisfy { $0 == late },
                    "rank \(member.index) has masked \(masked), and rank \(late) was late")
            }
            return []
        }
    }

    /// Requires that a rank has waited in vain for `missing`, in one of these kernels, and for nobody else.
    private static func requireMissed(
        _ missing: Int, by member: KernelRanks.Member, of ranks: KernelRanks, _ kernels: Set<StepPhase>
    ) throws {
        let masked = try ranks.masks(of: member)
        let fault = try ranks.layout.masks ? masked[missing] ?? nil : ranks.fault(member)
        try require(
            fault?.source == missing && fault.map { kernels.contains($0.kernel) } == true
                && masked.keys.allSatisfy { $0 == missing },
            "rank \(member.index): \(fault.map { "\($0)" } ?? "no fault"), masked \(masked.keys.sorted())")
    }

    /// Receives that add to the caller's totals, several thread blocks to the same words.
    static func totals(localExperts: Int, masks: Bool) throws -> Workload {
        let shape = try LayerShape(
            hidden: 128, intermediate: 128, experts: 2 * localExperts, topK: 4, ranks: 2, maxTokens: 3)
        return Workload(
            "totals of receives experts=\(shape.experts)" + (masks ? " with masks" : ""), multiprocessors: 4
        ) {
            device in
            let ranks = try KernelRanks(device, RankWindow(shape, .float8, masks: masks))
            try ranks.load(LayerFixture(shape, tokens: [3, 2]).inputs())
            for _ in 0..<2 { try ranks.stepWithTotals() }
            return try ranks.members.map {
                try device.read(UInt16.self, count: 2 * shape.localExperts, from: $0.rowTotals.buffer)
            }
        }
    }
}
