/// Makes a digest of a sequence of words. Swift's `Hasher` will not do: it has another seed in every process.
///
/// Both halves of the state change by bijections, so two sequences stay apart from the first word that differs unless
/// later ones happen to bring both halves together again. The input must be unambiguous: the length of a list comes
/// before its elements.
struct Digester {
    private var high: UInt64 = 0x6A09_E667_F3BC_C908
    private var low: UInt64 = 0xBB67_AE85_84CA_A73B

    var digest: KernelDigest { KernelDigest(high: Self.mix(high ^ low), low: Self.mix(low &+ high)) }

    mutating func put(_ word: UInt64) {
        high = Self.mix(high ^ word)
        low = Self.mix(low &* 0x9E37_79B9_7F4A_7C15 &+ word)
    }

    mutating func put(_ number: Int) { put(UInt64(truncatingIfNeeded: number)) }

    mutating func put(_ flag: Bool) { put(flag ? 1 : 0) }

    mutating func put(_ text: String) {
        put(text.utf8.count)
        var word: UInt64 = 0
        for (index, byte) in text.utf8.enumerated() {
            word = word << 8 | UInt64(byte)
            if index % 8 == 7 { put(word) }
        }
        put(word)
    }

    mutating func put(_ value: some RawRepresentable<String>) { put(value.rawValue) }

    mutating func put<Element>(_ list: [Element], _ putElement: (inout Digester, Element) -> Void) {
        put(list.count)
        for element in list { putElement(&self, element) }
    }

    mutating func put<Value>(_ value: Value?, _ putValue: (inout Digester, Value) -> Void) {
        put(value != nil)
        if let value { putValue(&self, value) }
    }

    /// The finaliser of MurmurHash3 (Appleby), a bijection.
    private static func mix(_ word: UInt64) -> UInt64 {
        var word = word
        word = (word ^ (word >> 33)) &* 0xFF51_AFD7_ED55_8CCD
        word = (word ^ (word >> 33)) &* 0xC4CE_B9FE_1A85_EC53
        return word ^ (word >> 33)
    }
}
