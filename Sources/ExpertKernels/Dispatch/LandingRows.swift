import KernelLanguage

/// Where tokens land at the ranks of their experts, where ranks are masked: every source has memory of its own there,
/// and the rank itself puts their rows where its GEMM reads them (`dispatchUnpackKernel`).
///
/// A row's place at its expert follows from what all sources send. If senders wrote there themselves, as they do where
/// nobody is masked, then those who had heard of a rank that died and those who had not would disagree about places,
/// and a slow rank that was masked might still write where another's rows of a later step lie.
///
/// A token lands once at a rank, however many of its experts are there; for each row there is an entry, released after
/// the token.
///
/// A sender waits for nobody, since even and odd steps lie apart: when it writes those of step n, the target has
/// finished step n - 2. For the sender begins step n when its step n - 1 is over, in which it took the target's counts
/// of step n - 1, and a rank publishes these when its step n - 2 is over; or else it has masked the target, and writes
/// nothing. A target that has masked the sender reads nothing of it.
struct LandingRows {
    let window: RankWindow
    /// The step under way.
    let step: Value<UInt32>

    private func place(of source: Value<UInt32>) -> Value<UInt32> {
        (step & 1).multiply(window.shape.ranks, add: source)
    }

    /// The first word of a token's packet, from the beginning of `RankWindow.landing`.
    func packet(source: Value<UInt32>, token: Value<UInt32>) -> Value<UInt64> {
        place(of: source).multiply(window.shape.maxTokens, add: token).multipliedWide(by: window.packetBytes / 4)
    }

    /// Index of an entry behind `RankWindow.landingArrivals`.
    ///
    /// - Parameters:
    ///   - local: Of the target's experts.
    ///   - number: Which one among the source's rows for that expert.
    func entry(source: Value<UInt32>, local: Value<UInt32>, number: Value<UInt32>) -> Value<UInt32> {
        let shape = window.shape
        return place(of: source).multiply(shape.rankExperts, add: local).multiply(shape.maxTokens, add: number)
    }

    /// The first word of a row's packet that comes by the network, from the beginning of `RankWindow.networkLanding`.
    ///
    /// - Parameter entry: The row's, as `entry` gives it.
    func networkPacket(_ entry: Value<UInt32>) -> Value<UInt64> {
        entry.multipliedWide(by: window.networkPacketBytes / 4)
    }

    /// Where the header begins in a packet that comes by the network, in words.
    var header: Int { window.packetBytes / 4 }

    /// Where the scales begin in a packet, in words.
    var scales: Int { window.rowBytes / 4 }
}
