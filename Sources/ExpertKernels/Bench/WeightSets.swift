/// Sets of weights that the launches of a benchmark cycle through, so that none finds its own in the L2: a model has
/// many layers, while a benchmark of one small layer would read its weights from the cache.
package enum WeightSets {
    /// Most sets: weights of a few kilobytes would need thousands, and do not determine the time.
    package static let most = 64
    /// Sets on devices without an L2, so that launches cycle there as well.
    private static let withoutL2 = 2

    /// As many sets as put three times the L2's size between two uses of the same weights, 2 to `most`; 1 where a set
    /// has that size by itself and two would take more than half of the memory.
    ///
    /// - Parameters:
    ///   - read: Bytes of a set that a launch reads.
    ///   - allocated: Bytes of a set, at least as many.
    ///   - l2Bytes: Size of the L2, 0 where there is none.
    ///   - memoryBytes: Size of the device's memory.
    package static func count(read: Int, allocated: Int, l2Bytes: Int, memoryBytes: Int) -> Int {
        guard l2Bytes > 0 else { return withoutL2 }
        let wanted = 3 * l2Bytes
        if read >= wanted, 2 * allocated > memoryBytes / 2 { return 1 }
        return min(most, (wanted + read - 1) / max(read, 1) + 1)
    }

    /// `launches` or a few more: a multiple of `sets`, so that the next replay goes on with the first set.
    package static func launches(_ launches: Int, sets: Int) -> Int { (launches + sets - 1) / sets * sets }
}
