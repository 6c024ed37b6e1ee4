import KernelLanguage

/// Inclusive prefix sums, over a rank's experts, of their numbers of tiles or rows, which are numbered one expert after
/// the other. In shared memory, at hand when the next one is looked for.
struct ExpertEnds {
    private let experts: Int
    private let ends: SharedPointer<UInt32>

    init(_ k: KernelBuilder, experts: Int) {
        self.experts = experts
        ends = k.shared(UInt32.self, count: experts, alignment: 16)
    }

    /// Computes the sums. One warp calls it, and a barrier of the thread block follows.
    ///
    /// - Parameter number: Number of an expert's tiles or rows; lanes ask for different experts.
    func initialise(_ k: KernelBuilder, number: (Value<UInt32>) -> Value<UInt32>) {
        let total = k.variable(0 as UInt32)
        k.for(to: (experts + Hopper.warpThreads - 1) / Hopper.warpThreads) { group in
            let expert = (group << 5) + k.lane
            let own = k.variable(0 as UInt32)
            let exists = expert < experts
            k.if(exists) { own.value = number(expert) }
            let end = total.value + k.warpPrefix(own.value)
            k.if(exists) { k.store(end, to: ends + expert) }
            total.value = k.shuffle(end, from: Hopper.warpThreads - 1)
        }
    }

    /// Number of tiles or rows of all experts.
    func total(_ k: KernelBuilder) -> Value<UInt32> { k.load(ends + (experts - 1)) }

    /// The expert of `number`, which must exist, and the first number of that expert.
    func find(_ k: KernelBuilder, _ number: Value<UInt32>) -> (expert: Value<UInt32>, begin: Value<UInt32>) {
        // Binary search for the first expert that ends above the number; `first` experts are known to end at or below.
        let first = k.variable(0 as UInt32)
        let begin = k.variable(0 as UInt32)
        var stride = 1
        while stride * 2 <= experts { stride *= 2 }
        while stride > 0 {
            let last = first.value + (stride - 1)
            k.if(last < experts) {
                let end = k.load(ends + last)
                k.if(end <= number) {
                    first.value = last + 1
                    begin.value = end
                }
            }
            stride /= 2
        }
        return (first.value, begin.value)
    }
}
