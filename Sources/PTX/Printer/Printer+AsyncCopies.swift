import KernelLanguage

extension Printer {
    mutating func bulkLoad(
        _ shared: Address, _ global: Address, _ bytes: Operand, _ mbarrier: Address, _ cache: CacheHint
    ) {
        let target = address(shared, .shared)
        let source = address(global, .global)
        let barrier = address(mbarrier, .shared)
        let (hint, policy) = cacheHint(cache)
        emit(
            "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes\(hint) "
                + "\(target), \(source), \(text(bytes, .uint32)), \(barrier)\(policy)")
    }

    mutating func bulkStore(_ global: Address, _ shared: Address, _ bytes: Operand) {
        let target = address(global, .global)
        let source = address(shared, .shared)
        emit("cp.async.bulk.global.shared::cta.bulk_group \(target), \(source), \(text(bytes, .uint32))")
    }

    mutating func bulkPrefetch(_ global: Address, _ bytes: Operand) {
        emit("cp.async.bulk.prefetch.L2.global \(address(global, .global)), \(text(bytes, .uint32))")
    }

    mutating func tensorLoad(
        _ shared: Address, _ map: Int, _ coordinates: [Operand], _ mbarrier: Address, _ cache: CacheHint
    ) {
        let target = address(shared, .shared)
        let box = self.box(map, coordinates)
        let barrier = address(mbarrier, .shared)
        let (hint, policy) = cacheHint(cache)
        emit(
            "cp.async.bulk.tensor.\(coordinates.count)d.shared::cluster.global.tile"
                + ".mbarrier::complete_tx::bytes\(hint) \(target), \(box), \(barrier)\(policy)")
    }

    mutating func tensorStore(_ map: Int, _ coordinates: [Operand], _ shared: Address) {
        let box = self.box(map, coordinates)
        let source = address(shared, .shared)
        emit("cp.async.bulk.tensor.\(coordinates.count)d.global.shared::cta.tile.bulk_group \(box), \(source)")
    }

    mutating func tensorPrefetch(_ map: Int) { emit("prefetch.tensormap [\(tensorMap(map))]") }

    mutating func bulkCommit() { emit("cp.async.bulk.commit_group") }

    mutating func bulkWait(_ pending: Int, _ reading: Bool) {
        emit("cp.async.bulk.wait_group\(reading ? ".read" : "") \(pending)")
    }

    private mutating func box(_ map: Int, _ coordinates: [Operand]) -> String {
        let list = coordinates.map { inRegister($0, .int32) }.joined(separator: ", ")
        return "[\(tensorMap(map)), {\(list)}]"
    }

    /// Bulk copies bypass the L1, so only hints about the L2 mean something.
    private mutating func cacheHint(_ cache: CacheHint) -> (hint: String, policy: String) {
        guard let policy = policy(cache) else { return ("", "") }
        return (".L2::cache_hint", ", \(policy)")
    }
}
