/// A hash of the order in which threads synchronised: equal for runs in which every word, barrier and copy saw the same
/// operations in the same order, however those of different words were mixed.
struct Interleaving {
    private var perWord: [UInt64: UInt64] = [:]

    /// An operation on a word (or barrier) by a thread; `detail` says what it was and what it saw.
    mutating func note(_ word: UInt64, _ thread: UInt64, _ lane: UInt64, _ detail: UInt64) {
        perWord[word, default: 0] = Self.mix(perWord[word, default: 0], Self.mix(thread, lane << 8 | detail))
    }

    var number: UInt64 { perWord.reduce(0) { $0 &+ Self.mix($1.key, $1.value) } }

    static func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
        var z = (a ^ (b &+ 0x9E37_79B9_7F4A_7C15 &+ (a << 6) &+ (a >> 2))) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
