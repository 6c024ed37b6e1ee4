import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

/// Barriers of all ranks on the device.
func barrierCases() -> [ConformanceCase] {
    [2, 4].map(twoCombinesCase) + [1, 3, 8].map { barrierCase(ranks: $0) } + [false, true].map(missingRankCase)
        + [hostMaskCase(), stepNumbersCase()]
}

/// The smallest shape.
private func smallest(ranks: Int) throws -> LayerShape {
    try LayerShape(hidden: 128, intermediate: 128, experts: ranks, topK: 1, ranks: ranks, maxTokens: 1)
}

/// Seconds that a correct barrier never waits.
private func waitLimit(_ device: any Device) -> Double { device.properties.kind == .cuda ? 0.5 : 0.02 }

/// A dispatch that is combined twice: rows of the second combine lie where those of the first do.
struct TwoCombines {
    let ranks: KernelRanks
    private let results: [[DeviceArray<BFloat16>]]
    private let outputs: [[DeviceArray<BFloat16>]]

    init(_ device: any Device, _ shape: LayerShape, _ inputs: [RankInput]) throws {
        let ranks = try KernelRanks(device, RankWindow(shape, .bfloat16))
        try ranks.load(inputs)
        self.ranks = ranks
        let (rows, tokens) = (shape.maxRows * shape.hidden, shape.maxTokens * shape.hidden)
        results = try (0..<2).map { number in
            try ranks.members.map { member in
                let values = (0..<shape.localExperts).flatMap { local in
                    let expert = member.index * shape.localExperts + local
                    return [BFloat16](repeating: Self.result(number, expert: expert), count: rows)
                }
                return DeviceArray(try device.makeBuffer(values, label: "results of rank \(member.index)"))
            }
        }
        outputs = try (0..<2).map { _ in
            try ranks.members.map {
                try device.allocate(BFloat16.self, count: tokens, label: "output of rank \($0.index)")
            }
        }
    }

    /// The result of an expert for every row, for combine number 0 or 1.
    static func result(_ number: Int, expert: Int) -> BFloat16 {
        BFloat16(Float(expert + 1) * 0.375 - Float(number) * 7)
    }

    /// Dispatches, and combines twice.
    ///
    /// - Returns: For both combines the sums of each rank, BF16 `[maxTokens, hidden]`; those of tokens that do not
    ///   exist are left out.
    func run(tokens: [Int]) throws -> [[[BFloat16]]] {
        for member in ranks.members {
            try ranks.dispatchSend(member)
            try ranks.dispatchReceive(member)
            for number in 0..<2 {
                try ranks.combineSend(member, results[number][member.index])
                try ranks.combineReceive(member, into: outputs[number][member.index])
                try ranks.barrier(member)
            }
        }
        try ranks.requireNoFault()
        return try outputs.map { outputs in
            try zip(outputs, tokens).map { output, tokens in
                try ranks.device.read(
                    BFloat16.self, count: tokens * ranks.layout.shape.hidden, from: output.buffer)
            }
        }
    }
}

private func twoCombinesCase(_ ranks: Int) -> ConformanceCase {
    ConformanceCase("a dispatch combined twice with barriers, \(ranks) ranks") { device in
        let shape = try LayerShape(
            hidden: 256, intermediate: 128, experts: ranks * 3, topK: 3, ranks: ranks, maxTokens: 5)
        let tokens = Array([5, 3, 0, 4].prefix(ranks))
        let inputs = LayerFixture(shape, tokens: tokens, pattern: .sparse).inputs()
        let trial = try TwoCombines(device, shape, inputs)
        for round in 0..<3 {
            for (number, found) in try trial.run(tokens: tokens).enumerated() {
                let expected = inputs.map { input in
                    (0..<input.routing.tokens).flatMap { token in
                        var sum: Float = 0
                        for choice in token * shape.topK..<(token + 1) * shape.topK {
                            guard input.routing.experts[choice] >= 0 else { continue }
                            let result = TwoCombines.result(number, expert: Int(input.routing.experts[choice]))
                            sum.addProduct(result.float, input.routing.weights[choice])
                        }
                        return [BFloat16](repeating: BFloat16(sum), count: shape.hidden)
                    }
                }
                try requireIdentical("round \(round), combine \(number)", found, expected, hidden: shape.hidden)
            }
        }
    }
}

/// After a barrier, all ranks read what every rank, the late one too, wrote before it.
package func barrierCase(ranks count: Int) -> ConformanceCase {
    ConformanceCase("a barrier waits for the last of \(count) ranks") { device in
        let ranks = try KernelRanks(device, RankWindow(smallest(ranks: count), .float8))
        // Words [reader, writer].
        let board = try device.allocate(UInt32.self, count: count * count, label: "board")
        let seen = try device.allocate(UInt32.self, count: count * count, label: "seen")
        try device.fill(board.buffer, with: 0, on: ranks.members[0].stream)
        try device.synchronize(ranks.members[0].stream)
        let write = try KernelBuilder.build("write", threads: 32) { k in
            let board = k.pointerParameter("board", to: UInt32.self)
            let (rank, value) = (k.parameter("rank", UInt32.self), k.parameter("value", UInt32.self))
            k.for(from: k.lane, to: count, by: 32) { k.store(value, to: board + $0.multiply(count, add: rank)) }
        }
        let read = try KernelBuilder.build("read", threads: 32) { k in
            let board = k.pointerParameter("board", to: UInt32.self)
            let seen = k.pointerParameter("seen", to: UInt32.self)
            let rank = k.parameter("rank", UInt32.self)
            k.for(from: k.lane, to: count, by: 32) { writer in
                let place = rank.multiply(count, add: writer)
                k.store(k.load(board + place), to: seen + place)
            }
        }
        let (writer, reader) = (try device.load(write), try device.load(read))
        func launch(_ kernel: LoadedKernel, _ member: KernelRanks.Member, _ arguments: [KernelArgument]) throws {
            try device.launch(kernel, blocks: 1, arguments: arguments, dependentLaunch: false, on: member.stream)
        }
        for round in 1...4 as ClosedRange<UInt32> {
            for member in ranks.members {
                let rank = UInt32(member.index)
                if member.index == Int(round) % count {
                    try ranks.delay(
                        member, nanoseconds: device.properties.kind == .cuda ? 2_000_000 : 50_000)
                }
                try launch(
                    writer, member, [.address(board.buffer.address), .uint32(rank), .uint32(round * 100 + rank)])
                try ranks.barrier(member)
                try launch(
                    reader, member,
                    [.address(board.buffer.address), .address(seen.buffer.address), .uint32(rank)])
                // Nobody may write again before all have read.
                try ranks.barrier(member)
            }
            try ranks.requireNoFault()
            let expected = (0..<count).flatMap { _ in (0..<UInt32(count)).map { round * 100 + $0 } }
            try requireEqual(
                "round \(round)", device.read(UInt32.self, count: count * count, from: seen.buffer), expected)
        }
    }
}

/// A rank that does not come is named by all others, or masked by them where ranks are masked.
private func missingRankCase(masks: Bool) -> ConformanceCase {
    ConformanceCase("a rank that misses a barrier is " + (masks ? "masked" : "reported")) { device in
        for missing in [0, 2, 3] {
            let ranks = try KernelRanks(
                device, RankWindow(smallest(ranks: 4), .float8, masks: masks),
                waitLimit: masks ? maskWaitLimit(device) : waitLimit(device))
            for member in ranks.members { try ranks.barrier(member) }
            try ranks.requireNoFault()
            let others = ranks.members.filter { $0.index != missing }
            for member in others { try ranks.barrier(member) }
            try ranks.synchronize()
            for member in others {
                let fault = try masks ? ranks.masks(of: member)[missing] ?? nil : ranks.fault(member)
                let expected = WaitFault.Subject.barrier(source: missing)
                try require(
                    fault?.subject == expected && fault?.source == missing && fault?.kernel == .rankBarrier
                        && fault?.rank == member.index && fault?.expected == 2 && fault?.seen == 1,
                    "rank \(member.index) without rank \(missing): \(fault.map { "\($0)" } ?? "no fault")")
                if masks {
                    try require(try ranks.fault(member) == nil, "rank \(member.index) has failed")
                    try require(
                        try ranks.masks(of: member).keys.map { $0 } == [missing], "rank \(member.index) masked others")
                }
            }
            if !masks { continue }
            // From now on nobody writes to it.
            for _ in 0..<2 { for member in others { try ranks.barrier(member) } }
            try ranks.synchronize()
            let steps = (0..<4).map { UInt32($0 == missing ? 1 : 4) }
            for member in others {
                let own = steps.enumerated().map { $0 == member.index ? 0 : $1 }
                try requireEqual("barriers that rank \(member.index) knows", ranks.barriers(member), own)
            }
            // What it knew before it was masked.
            let left = (0..<4).map { UInt32($0 == missing ? 0 : 2) }
            try requireEqual("barriers that rank \(missing) knows", ranks.barriers(ranks.members[missing]), left)
        }
    }
}

/// A rank that the host has masked is neither waited for nor written to.
private func hostMaskCase() -> ConformanceCase {
    ConformanceCase("a barrier leaves out ranks that the host masks") { device in
        // Whoever waits for rank 1 would mask it in a second.
        let ranks = try KernelRanks(
            device, RankWindow(smallest(ranks: 3), .float8, masks: true), waitLimit: 1)
        let others = ranks.members.filter { $0.index != 1 }
        for member in others { try ranks.mask(1, on: member) }
        for _ in 0..<2 { for member in others { try ranks.barrier(member) } }
        try ranks.synchronize()
        for member in others {
            try require(try ranks.fault(member) == nil, "rank \(member.index) has failed")
            let masks = try ranks.masks(of: member)
            try require(
                masks.keys.map { $0 } == [1] && masks[1] == .some(nil), "masks of rank \(member.index): \(masks)")
        }
        try requireEqual("barriers that rank 0 knows", ranks.barriers(ranks.members[0]), [0, 0, 2])
        try requireEqual("barriers that rank 1 knows", ranks.barriers(ranks.members[1]), [0, 0, 0])
    }
}

/// Step numbers may wrap around, and words of old steps count for nothing.
private func stepNumbersCase() -> ConformanceCase {
    ConformanceCase("barriers hold whatever the step's number") { device in
        func ranks(completed: UInt32) throws -> KernelRanks {
            let ranks = try KernelRanks(
                device, RankWindow(smallest(ranks: 3), .float8), waitLimit: waitLimit(device))
            for member in ranks.members { try device.write([completed, 0], to: member.step.buffer) }
            return ranks
        }
        let round = try ranks(completed: .max - 2)
        for step in [UInt32.max - 1, .max, 0, 1] {
            for member in round.members { try round.barrier(member) }
            try round.requireNoFault()
            try requireEqual("step \(step)", round.barriers(round.members[0]), [0, step, step])
        }
        // Words of steps long ago, and those that have never been written, are no signs of a rank that is ahead.
        for (completed, old) in [(UInt32(5), UInt32.max - 3), (0x8000_0005, 0), (0x8000_0005, 6), (0xFFFF_0000, 9)] {
            let late = try ranks(completed: completed)
            for member in late.members {
                try device.write(
                    [old, old, old], to: member.window.buffer, offset: late.layout.barriers.offset)
            }
            for member in late.members.dropLast() { try late.barrier(member) }
            try late.synchronize()
            for member in late.members.dropLast() {
                let fault = try late.fault(member)
                try require(
                    fault?.subject == .barrier(source: 2) && fault?.seen == UInt64(old),
                    "step \(completed + 1) with words of step \(old): \(fault.map { "\($0)" } ?? "no fault")")
            }
        }
    }
}
