/// How many sets of weights launches of a benchmark go round, so that none finds its own in the L2: a model has many
/// layers, and a benchmark that has one reads a small one's weights from the cache.
package enum WeightSets {
    /// Most sets: weights of a few kilobytes would need thousands, and are not what takes the time.
    package static let most = 64
    /// On devices without an L2, so that the way round is the same there.
    private static let withoutL2 = 2

    /// As many sets as it takes for three times the L2 between two uses of the same weights, 2 or more; one alone where
    /// it is as large by itself and two would take more than half of the memory.
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
