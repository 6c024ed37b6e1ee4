/// Registers of a warp that multiplies under way read and write, and those that were touched since the last fence.
struct MultiplyRegisters {
    /// Groups of multiplies under way, oldest first, by number.
    private var pending: [(group: Int, accumulators: Set<Int32>, fragments: Set<Int32>)] = []
    /// Touched by other operations since the last fence.
    private var touched: Set<Int32> = []
    private var hasFence = false

    /// A step other than a multiply touches these registers of multiplies. Gives what is wrong with that, or nil.
    mutating func touch(_ places: ArraySlice<Int32>, writes: Int) -> String? {
        for (index, place) in places.enumerated() {
            for multiply in pending {
                if multiply.accumulators.contains(place) {
                    return
                        "an accumulator is \(index < writes ? "written" : "read") while the multiply that adds to it "
                        + "is under way; wait for its group with multiplyWait first"
                }
                if index < writes, multiply.fragments.contains(place) {
                    return "a register of operand A is written while the multiply that reads it is under way; wait for "
                        + "its group with multiplyWait first"
                }
            }
            touched.insert(place)
        }
        return nil
    }

    mutating func fence() {
        touched = []
        hasFence = true
    }

    /// A multiply is issued. Gives what is wrong with that, or nil.
    mutating func issue(_ plan: MultiplyPlan, group: Int) -> String? {
        guard hasFence else { return "a multiply without any multiplyFence before it; registers may not be ready" }
        let (accumulators, fragments) = (Set(plan.accumulators), Set(plan.fragment))
        guard touched.isDisjoint(with: accumulators), touched.isDisjoint(with: fragments) else {
            return "registers of a multiply were touched after the last multiplyFence; put one in between"
        }
        pending.append((group, accumulators, fragments))
        return nil
    }

    /// Groups before this one are over.
    mutating func wait(before group: Int) { pending.removeAll { $0.group < group } }
}
