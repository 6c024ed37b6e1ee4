import KernelLanguage

/// The sending end of a rank's modelled links: until when each of them is busy, in the order in which rows are given to
/// it.
struct PacedLink {
    let model: LinkModel
    /// UInt64 `[ranks]` of the sending rank: device time in nanoseconds until which the link to each rank is busy.
    let busyUntil: Pointer<UInt64>

    /// Declares the parameter where `window` has links; nil where it has none.
    init?(_ k: KernelBuilder, _ window: RankWindow) {
        guard let model = window.link else { return nil }
        self.model = model
        busyUntil = k.parameters(LinkParameters.self).linkBusy
    }

    /// Reserves the link to `rank` for `nanoseconds`, from now or from when it is free.
    ///
    /// - Returns: When the transfer begins.
    func reserve(_ k: KernelBuilder, to rank: Value<UInt32>, nanoseconds: Value<UInt64>) -> Value<UInt64> {
        let link = busyUntil + rank
        _ = k.atomic(.maximum, link, k.globalTimer, order: .relaxed(.gpu))
        return k.atomic(.add, link, nanoseconds, order: .relaxed(.gpu))
    }

    /// Nanoseconds that `count` transfers of `bytes` take one after the other.
    static func nanoseconds(_ model: LinkModel, bytes: Int, times count: Value<UInt32>) -> Value<UInt64> {
        (count.multipliedWide(by: model.duration(bytes: bytes))) >> 10
    }
}

extension Watchdog {
    /// Waits until the device's clock has reached `due`, when what rank `source` sent has arrived.
    func wait(
        _ k: KernelBuilder, for subject: Subject, until due: Value<UInt64>, source: Value<UInt32>, timed: Bool = false
    ) -> Wait {
        wait(k, for: subject.expecting(due), from: source, timed: timed) {
            let now = k.globalTimer
            return Poll(now >= due, seen: now, source: { source })
        }
    }
}
