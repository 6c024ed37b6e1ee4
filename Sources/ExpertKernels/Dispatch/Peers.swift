import KernelLanguage

/// The windows of all ranks, as a rank writes to them.
struct Peers {
    /// UInt64 `[ranks]`: addresses of the windows.
    let table: Pointer<UInt64>
    /// The writing rank.
    let rank: Value<UInt32>
    let window: RankWindow

    /// Declares the two parameters.
    init(_ k: KernelBuilder, _ window: RankWindow) {
        table = k.pointerParameter("peers", to: UInt64.self)
        rank = k.parameter("rank", UInt32.self)
        self.window = window
    }

    /// Byte `offset` of the window of rank `owner`.
    func pointer<T: Scalar>(
        _ k: KernelBuilder, _ type: T.Type, owner: Value<UInt32>, offset: Int
    ) -> Pointer<T> {
        Pointer<T>(bits: k.load(table + owner) + offset)
    }

    /// The writing rank's own window.
    func own(_ k: KernelBuilder) -> Pointer<UInt32> { pointer(k, UInt32.self, owner: rank, offset: 0) }
}
