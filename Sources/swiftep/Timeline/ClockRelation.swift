import Accelerator
import ExpertParallel
import KernelLanguage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The offset of the clock of a process's device to that of the machine, which all its processes share.
///
/// A kernel reads the device's clock between two readings of the machine's; of many such readings the one with the
/// closest two counts, and the device's clock was read in their middle, give or take half of their distance.
struct ClockRelation: Codable {
    /// The device.
    let device: String
    /// Nanoseconds of the machine's clock minus those of the device's.
    let offset: Int64
    /// Nanoseconds by which the offset may be wrong.
    let uncertainty: Int64

    /// Measures the offset.
    init(_ device: any Device) throws {
        self.device = device.properties.uniqueID
        let kernel = try device.load(
            KernelBuilder.build("read_clock", threads: 32) { k in
                let time = k.parameters(Clock.self).time
                k.if(k.isFirstThread) { k.store(k.globalTimer, to: time) }
            })
        let stream = try device.makeStream(label: "clock")
        let time = try device.allocate(UInt64.self, count: 1, label: "clock")
        let arguments = try KernelArguments([Clock(time: time.parameter)]).ordered(for: kernel.kernel)
        var best: (offset: Int64, width: Int64)?
        for _ in 0..<(device.properties.kind == .cuda ? 200 : 3) {
            let before = Self.machineTime()
            try device.launch(kernel, blocks: 1, arguments: arguments, dependentLaunch: false, on: stream)
            try device.synchronize(stream)
            let after = Self.machineTime()
            let seen = Int64(bitPattern: try device.read(UInt64.self, count: 1, from: time.buffer)[0])
            let width = after - before
            if best.map({ width < $0.width }) ?? true { best = (before + width / 2 - seen, width) }
        }
        offset = best?.offset ?? 0
        uncertainty = (best?.width ?? 0) / 2
    }

    private struct Clock: KernelParameters {
        /// UInt64, written: the device's time.
        var time: MemoryParameter<UInt64>
    }

    private static func machineTime() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// The accuracy of the relations between several processes' clocks, in words.
    static func accuracy(_ clocks: [ClockRelation]) -> String {
        if Set(clocks.map(\.device)).count == 1 { return "one device clock" }
        let most = clocks.map(\.uncertainty).max() ?? 0
        return "clocks of devices related to within \(fixed(Double(most) / 1e3, 1)) µs each"
    }
}

extension Timeline {
    /// The timelines of several processes, in the clock of the first one's device.
    ///
    /// - Parameter clocks: The clock of each process; none where there is one process.
    init(_ parts: [Timeline], clocks: [ClockRelation]) {
        self.init(ranks: [])
        for (index, part) in parts.enumerated() {
            guard clocks.indices.contains(index), clocks[index].device != clocks[0].device else {
                ranks += part.ranks
                continue
            }
            let shift = clocks[index].offset - clocks[0].offset
            ranks += part.ranks.map { events in events.map { $0.shifted(nanoseconds: shift) } }
        }
    }
}

extension TraceEvent {
    /// The event by a clock that is that far ahead.
    fileprivate func shifted(nanoseconds: Int64) -> TraceEvent {
        var event = self
        event.start = UInt64(bitPattern: Int64(bitPattern: start) &+ nanoseconds)
        event.end = UInt64(bitPattern: Int64(bitPattern: end) &+ nanoseconds)
        return event
    }
}
