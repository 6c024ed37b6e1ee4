import KernelLanguage

/// Row counts of a rank's experts in a step where ranks are masked. The rank settles them once, from the counts of the
/// sources that are not masked by then. All kernels of the step that need them before the unpack kernel has ended use
/// these.
struct AgreedCounts {
    let window: RankWindow
    /// The rank's own window.
    let own: Pointer<UInt32>
    /// The step under way.
    let step: Value<UInt32>

    private func word(_ local: Value<UInt32>) -> Pointer<UInt64> { window.agreedCounts.pointer(in: own) + local }

    /// Publishes the row count of an expert, ordered after all that the calling thread has observed.
    func publish(_ k: KernelBuilder, expert local: Value<UInt32>, rows: Value<UInt32>) {
        k.store(k.packUInt64(low: rows, high: step), to: word(local), order: .release(.gpu))
    }

    /// Waits for the row count of an expert; 0 when the wait fails. Lanes wait independently.
    func await(_ k: KernelBuilder, _ watchdog: Watchdog, expert local: Value<UInt32>, number: Value<UInt32>)
        -> Value<UInt32>
    {
        let rows = k.variable(UInt32(0))
        let subject = Watchdog.Subject(
            kind: .rowCount, expert: number, place: k.constant(UInt32(0)), expected: step.wide)
        _ = watchdog.wait(k, for: subject) {
            let (low, high) = k.load(word(local), order: .acquire(.gpu)).halves
            k.if(high == step) { rows.value = low }
            return .init(high == step, seen: high.wide)
        }
        return rows.value
    }
}
