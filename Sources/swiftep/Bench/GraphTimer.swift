import Accelerator
import ExpertKernels

/// Times launches as replays of a graph that holds several of them.
struct GraphTimer {
    /// Launches in one graph.
    let launches: Int
    /// Replays that are measured, after some that are not.
    let replays: Int
    let warmUps: Int

    /// A timer for a kind of device: many replays on a GPU, a few on the simulator, whose times do not vary.
    ///
    /// - Parameter sets: Sets of inputs that launches take in turns; a graph uses all of them.
    init(_ kind: DeviceProperties.Kind, sets: Int = 1) {
        let fewest: Int
        (fewest, replays, warmUps) = kind == .cuda ? (20, 30, 5) : (2, 3, 0)
        launches = WeightSets.launches(fewest, sets: sets)
    }

    /// Nanoseconds of a launch in each of the measured replays.
    ///
    /// - Parameter launch: Enqueues launch number `n`; numbers go round the inputs, so that no launch finds its own in
    ///   the L2.
    func measure(_ device: any Device, on stream: DeviceStream, launch: (Int) throws -> Void) throws -> [Double] {
        let graph = try device.capture(on: stream) {
            for number in 0..<launches { try launch(number) }
        }
        let (start, end) = (try device.makeEvent(), try device.makeEvent())
        var times: [Double] = []
        for replay in 0..<warmUps + replays {
            try device.record(start, on: stream)
            try device.replay(graph, on: stream)
            try device.record(end, on: stream)
            try device.synchronize(stream)
            if replay >= warmUps {
                times.append(try device.nanoseconds(from: start, to: end) / Double(launches))
            }
        }
        return times
    }
}
