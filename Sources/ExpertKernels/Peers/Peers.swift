import KernelLanguage

/// The windows of all ranks, as a rank writes to them.
struct Peers {
    /// UInt64 `[ranks]`: addresses of the windows.
    let table: Pointer<UInt64>
    /// The writing rank.
    let rank: Value<UInt32>
    let window: RankWindow

    init(_ parameters: KernelParameterValues<PeersParameters>, _ window: RankWindow) {
        table = parameters.peers
        rank = parameters.rank
        self.window = window
    }

    /// A region of the window of rank `owner`.
    func pointer<T>(_ k: KernelBuilder, _ region: WindowRegion<T>, of owner: Value<UInt32>) -> Pointer<T> {
        region.pointer(at: k.load(table + owner))
    }

    /// The window of rank `owner`.
    func window(_ k: KernelBuilder, of owner: Value<UInt32>) -> Pointer<UInt32> {
        Pointer(bits: k.load(table + owner) + 0)
    }

    /// The writing rank's own window.
    func own(_ k: KernelBuilder) -> Pointer<UInt32> { window(k, of: rank) }
}
