import KernelLanguage

/// Parameters of a receive that adds its time waited to the caller's memory.
package struct WaitTotalsParameters: KernelParameters {
    /// Int64 `[ranks]`, added to: nanoseconds waited for each rank, summed over all rows, many of which are waited for
    /// at the same time. Address 0 if they are not wanted.
    package var waits: MemoryParameter<UInt64>

    /// Words as given; nil for none.
    package init(waits: MemoryParameter<UInt64>?) { self.waits = waits ?? MemoryParameter(address: 0) }
}

/// Parameters of a dispatch receive that adds rows received and time waited to the caller's memory.
package struct DispatchTotalsParameters: KernelParameters {
    /// Int32 `[localExperts]`, added to: rows that each routed expert of the rank has received. Address 0 if they are
    /// not wanted.
    package var totals: MemoryParameter<UInt32>
    /// Time waited for each rank.
    package var waited: WaitTotalsParameters

    /// Words as given; nil for none.
    package init(totals: MemoryParameter<UInt32>?, waits: MemoryParameter<UInt64>?) {
        self.totals = totals ?? MemoryParameter(address: 0)
        waited = WaitTotalsParameters(waits: waits)
    }
}

/// Nanoseconds that a kernel has waited for each rank.
struct WaitTotals {
    private let words: Pointer<UInt64>

    init(_ parameters: KernelParameterValues<WaitTotalsParameters>) { words = parameters.waits }

    /// Adds a timed wait for `source`, unless it ended at once.
    func add(_ k: KernelBuilder, source: Value<UInt32>, nanoseconds: Value<UInt64>?) {
        guard let nanoseconds else { return }
        k.if(words.bits != 0 && nanoseconds > 0) {
            k.atomicAdd(words + source, nanoseconds, order: .relaxed(.gpu))
        }
    }
}

/// Totals of a dispatch receive: rows received and time waited.
struct DispatchTotals {
    /// Time waited for each rank.
    let waits: WaitTotals
    private let rows: Pointer<UInt32>
    private let shape: LayerShape

    /// Declares the parameters.
    init(_ k: KernelBuilder, _ shape: LayerShape) {
        let parameters = k.parameters(DispatchTotalsParameters.self)
        rows = parameters.totals
        waits = WaitTotals(parameters.waited)
        self.shape = shape
    }

    /// Adds the rows of an expert of the rank, unless it is a shared one. One thread of the launch calls it for each.
    func add(_ k: KernelBuilder, rows count: Value<UInt32>, expert: Value<UInt32>) {
        k.if(rows.bits != 0 && expert >= shape.sharedExperts) {
            let word = rows + (expert - shape.sharedExperts)
            k.store(k.load(word) + count, to: word)
        }
    }
}
