import KernelLanguage

/// The windows of all ranks, as a rank writes to them.
struct Peers {
    /// UInt64 `[ranks]`: addresses of the windows.
    let table: Pointer<UInt64>
    /// The writing rank.
    let rank: Value<UInt32>
    let window: RankWindow

    /// Byte `offset` of the window of rank `owner`.
    func pointer<T: Scalar>(
        _ k: KernelBuilder, _ type: T.Type, owner: Value<UInt32>, offset: Int
    ) -> Pointer<T> {
        Pointer<T>(bits: k.load(table + owner) + offset)
    }

    /// Tells the owner of `expert` that all this rank's `rows` rows for it have been written.
    func raiseDispatchFlag(
        _ k: KernelBuilder, expert: Value<UInt32>, step: Value<UInt32>, rows: Value<UInt32>
    ) {
        let shape = window.shape
        let flags = pointer(k, UInt64.self, owner: expert / shape.localExperts, offset: window.dispatchFlags)
        let flag = flags + (expert % shape.localExperts).multiply(shape.ranks, add: rank)
        k.store(k.packUInt64(low: rows, high: step), to: flag, order: .release, scope: .system)
    }

    /// Tells rank `owner` that all its rows of `expert` (global number) have come back.
    func raiseCombineFlag(
        _ k: KernelBuilder, owner: Value<UInt32>, expert: Value<UInt32>, step: Value<UInt32>
    ) {
        let flags = pointer(k, UInt32.self, owner: owner, offset: window.combineFlags)
        k.store(step, to: flags + expert, order: .release, scope: .system)
    }
}

/// Where one choice of a token goes. Pointers are meaningful only where `exists` holds.
struct Destination {
    let exists: Condition
    let row: Pointer<UInt32>
    let scales: Pointer<Float>
    let choice: Pointer<UInt32>

    init(_ k: KernelBuilder, expert: Value<UInt32>, slot: Value<UInt32>, _ peers: Peers) {
        let window = peers.window
        let shape = window.shape
        exists = expert < shape.experts
        // A choice of nothing takes expert 0's table entry and is never written through.
        let known = exists.select(expert, k.constant(UInt32(0)))
        let owner = known / shape.localExperts
        let place = (known % shape.localExperts).multiply(shape.ranks, add: peers.rank)
            .multiply(shape.maxTokens, add: slot)
        row =
            peers.pointer(k, UInt32.self, owner: owner, offset: window.rows)
            + place.multipliedWide(by: window.rowBytes / 4)
        scales =
            peers.pointer(k, Float.self, owner: owner, offset: window.scales)
            + place.multipliedWide(by: shape.hiddenGroups)
        choice = peers.pointer(k, UInt32.self, owner: owner, offset: window.choices) + place
    }
}
