import KernelLanguage

/// How long one lane waits for a rank, where ranks are masked: until the limit has passed, and the rank has not shown
/// for half of it that it is alive.
///
/// A rank that waits beats after a quarter of the limit and then every sixteenth, so that half a limit has a beat in
/// it. The lane that waits for it reads the beat after a quarter of the limit, and half a limit later at each poll
/// until the limit is over: a load may return an old value, but not for ever. A wait whose polls lie far apart starts
/// again as well: then this rank itself stood still, and knows nothing of the other.
struct Patience {
    /// How often a wait may start again.
    static let renewals = 16
    /// The same for a kernel of the own rank, which must outlast every wait of that kernel for other ranks.
    private static let ownRenewals = 1024

    private let masks: RankMasks
    private let limit: Value<UInt64>
    /// The rank that is waited for.
    private let source: Value<UInt32>
    /// Whether the wait may be for another rank, and so shows that this one is alive.
    private let beats: Bool
    private let start: Variable<UInt64>
    /// When the source's beat was read, 0 if it was not, and its value.
    private let looked: Variable<UInt64>
    private let seen: Variable<UInt64>
    private let renewed: Variable<UInt32>
    private let lastPoll: Variable<UInt64>
    private let nextBeat: Variable<UInt64>

    /// - Parameter source: The rank that is waited for; nil for a kernel of the own rank.
    init(
        _ k: KernelBuilder, _ masks: RankMasks, limit: Value<UInt64>, source: Value<UInt32>?, from start: Value<UInt64>
    ) {
        self.masks = masks
        self.limit = limit
        self.source = source ?? masks.rank
        beats = source != nil
        self.start = k.variable(start)
        looked = k.variable(UInt64(0))
        seen = k.variable(UInt64(0))
        renewed = k.variable(UInt32(0))
        lastPoll = k.variable(start)
        nextBeat = k.variable(start + (limit >> 2))
    }

    /// Whether the wait is given up at `now`. Called at every poll that finds nothing.
    func isOver(_ k: KernelBuilder, at now: Value<UInt64>) -> Condition {
        let isOver = k.variable(false)
        if beats {
            k.if(now > nextBeat.value) {
                k.if(source != masks.rank) { masks.showLife(k, at: now, limit: limit) }
                nextBeat.value = now + (limit >> 4)
            }
        }
        k.if(now - lastPoll.value > limit >> 2 && renewed.value < Self.renewals) { beginAnew(k, at: now) }
        lastPoll.value = now
        k.if(now - start.value > limit >> 2) {
            let sinceLook = now - looked.value
            k.if(looked.value == 0) {
                seen.value = beatOfSource(k)
                looked.value = now
            } else: {
                k.if(sinceLook > limit >> 1) {
                    k.if(beatOfSource(k) != seen.value && renewed.value < (beats ? Self.renewals : Self.ownRenewals)) {
                        beginAnew(k, at: now)
                    } else: {
                        isOver.value = sinceLook > limit - (limit >> 2)
                    }
                }
            }
        }
        return isOver.value
    }

    private func beginAnew(_ k: KernelBuilder, at now: Value<UInt64>) {
        renewed.add(1)
        start.value = now
        looked.value = k.constant(UInt64(0))
    }

    private func beatOfSource(_ k: KernelBuilder) -> Value<UInt64> {
        k.load(masks.beat(k, of: source), order: .relaxed(beats ? .system : .gpu))
    }
}
