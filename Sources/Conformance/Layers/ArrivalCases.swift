import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

/// Arrival statistics: whom ranks wait for, and what their experts receive.
func arrivalCases() -> [ConformanceCase] { OverlapMode.allCases.map(lateRankCase) }

/// A rank that begins late is the one that the others wait for, as long as it was late; rows are counted; and no bit
/// changes.
private func lateRankCase(_ mode: OverlapMode) -> ConformanceCase {
    ConformanceCase("arrival statistics name a late rank, \(mode)") { device in
        let shape = try LayerShape(
            hidden: 256, intermediate: 128, experts: 6, topK: 2, ranks: 3, maxTokens: 8, sharedExperts: 1)
        let fixture = LayerFixture(shape, tokens: [8, 3, 5], sharedIntermediate: 128)
        let inputs = fixture.inputs()
        let plain = try fixture.layer(on: device).step(inputs, overlap: .none)
        let layer = try fixture.layer(on: device, notesArrivals: true)
        let group = layer.group
        let late = 1
        // More than a host takes to enqueue a step.
        let lateness = device.properties.kind == .cuda ? 5_000_000 : 100_000
        let delay = try device.load(delayKernel())

        // A step that warms up may find anybody late.
        _ = try layer.step(inputs, overlap: mode)
        _ = try group.takeArrivalStatistics()
        try group.load(inputs)
        try device.launch(
            delay, blocks: 1, arguments: [.uint64(UInt64(lateness))], dependentLaunch: false,
            on: group.ranks[late].compute)
        for rank in group.ranks { try layer.enqueue(rank, overlap: mode) }
        try group.synchronize()
        try requireIdentical("with statistics", try layer.outputs(inputs), plain, hidden: shape.hidden)

        let statistics = try group.takeArrivalStatistics()
        for rank in group.ranks.indices {
            let received = (0..<shape.rankExperts).map { local in
                local < shape.sharedExperts
                    ? inputs[rank].routing.tokens
                    : inputs.reduce(0) { sum, input in
                        let expert = Int64(rank * shape.localExperts + local - shape.sharedExperts)
                        return sum + input.routing.experts.count { $0 == expert }
                    }
            }
            try requireEqual("rows of rank \(rank)'s experts", statistics[rank].rowsOfExperts, received)
            let counts = statistics[rank].waits(for: .counts)
            for source in group.ranks.indices where source != rank {
                let wait = counts[source]
                let isLate = wait.count > 0 && wait.longestNanoseconds > lateness / 2
                let expected = source == late
                try require(
                    isLate == expected && wait.nanoseconds >= wait.longestNanoseconds,
                    "rank \(rank) waited for rank \(source) as \(wait) says; rank \(late) was \(lateness) ns late")
            }
        }
        let again = try group.takeArrivalStatistics()
        try require(
            again.allSatisfy {
                $0.rowsOfExperts.allSatisfy { $0 == 0 } && $0.waits(for: .counts).allSatisfy { $0.count == 0 }
            },
            "statistics that were taken are still there")
    }
}

/// Runs for as many nanoseconds as its argument says.
func delayKernel() throws -> Kernel {
    try KernelBuilder.build("delay", threads: 32) { k in
        let nanoseconds = k.parameter("nanoseconds", UInt64.self)
        let start = k.globalTimer
        k.loop {
            k.breakIf(k.globalTimer - start > nanoseconds)
            k.sleep(nanoseconds: 1_000)
        }
    }
}
