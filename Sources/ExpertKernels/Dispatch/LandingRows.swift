import KernelLanguage

/// The landing of tokens at the ranks of their experts, where ranks are masked: every source has memory of its own
/// there, and the unpack kernel puts rows in the places where the GEMM reads them (`dispatchUnpackKernel`).
///
/// A row's place at its expert follows from what all sources send. If senders wrote there themselves, as they do where
/// nobody is masked, then those who had heard of a rank that died and those who had not would disagree about places,
/// and a slow rank that was masked might still write where another's rows of a later step lie.
///
/// A token lands once at a rank, however many of its experts are there; each of its rows has an entry, stored with
/// release after the token.
///
/// A sender waits for nobody, since even and odd steps lie apart: when it writes tokens of step n, the target has
/// finished step n - 2. For the sender begins step n after its step n - 1, in which it acquired the target's counts of
/// step n - 1, which the target publishes after its step n - 2; or else it has masked the target, and writes nothing. A
/// target that has masked the sender reads nothing of it.
struct LandingRows {
    let window: RankWindow
    /// The step under way.
    let step: Value<UInt32>

    private func place(of source: Value<UInt32>) -> Value<UInt32> {
        (step & 1).multiply(window.shape.ranks, add: source)
    }

    /// Offset of a token's packet in `RankWindow.landing`, in words of 4 bytes.
    func packet(source: Value<UInt32>, token: Value<UInt32>) -> Value<UInt64> {
        place(of: source).multiply(window.shape.maxTokens, add: token).multipliedWide(by: window.packetBytes / 4)
    }

    /// Index of a row's entry in `RankWindow.landingArrivals`.
    ///
    /// - Parameters:
    ///   - local: Local expert of the target.
    ///   - number: Number of the row among the source's rows for that expert.
    func entry(source: Value<UInt32>, local: Value<UInt32>, number: Value<UInt32>) -> Value<UInt32> {
        let shape = window.shape
        return place(of: source).multiply(shape.rankExperts, add: local).multiply(shape.maxTokens, add: number)
    }

    /// Offset of the packet of a row that comes by the network in `RankWindow.networkLanding`, in words of 4 bytes.
    ///
    /// - Parameter entry: The row's entry, as `entry` returns it.
    func networkPacket(_ entry: Value<UInt32>) -> Value<UInt64> {
        entry.multipliedWide(by: window.networkPacketBytes / 4)
    }

    /// Offset of the header in a packet that comes by the network, in words of 4 bytes.
    var header: Int { window.packetBytes / 4 }

    /// Offset of the scales in a packet, in words of 4 bytes.
    var scales: Int { window.rowBytes / 4 }
}
