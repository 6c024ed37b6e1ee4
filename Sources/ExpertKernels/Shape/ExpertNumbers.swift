import KernelLanguage

/// How kernels number experts: those of rank `r` are `r * rankExperts ..< (r + 1) * rankExperts`, its shared experts
/// first.
struct ExpertNumbers {
    let shape: LayerShape

    /// The expert of `local` on `rank`.
    func number(rank: Value<UInt32>, local: Value<UInt32>) -> Value<UInt32> {
        rank.multiply(shape.rankExperts, add: local)
    }

    /// The rank that has an expert.
    func owner(_ number: Value<UInt32>) -> Value<UInt32> { number / shape.rankExperts }

    /// The place of an expert on its rank.
    func local(_ number: Value<UInt32>) -> Value<UInt32> { number % shape.rankExperts }

    /// The number of a routed expert, given its number in the layer.
    func routed(_ expert: Value<UInt32>) -> Value<UInt32> {
        if shape.sharedExperts == 0 { return expert }
        return number(rank: expert / shape.localExperts, local: expert % shape.localExperts + shape.sharedExperts)
    }
}
