import KernelLanguage

extension Printer {
    /// The PTX spelling of every operation.
    mutating func print(_ op: Op) {
        switch op {
        case .move(let result, let a): move(result, a)
        case .unary(let operation, let result, let a): unary(operation, result, a)
        case .binary(let operation, let result, let a, let b): binary(operation, result, a, b)
        case .multiplyAdd(let result, let a, let b, let c): multiplyAdd(result, a, b, c)
        case .compare(let comparison, let type, let result, let a, let b): compare(comparison, type, result, a, b)
        case .select(let result, let condition, let a, let b): select(result, condition, a, b)
        case .convert(let result, let from, let a): convert(result, from, a)
        case .reinterpret(let result, let from, let a): reinterpret(result, from, a)
        case .pack(let operation, let result, let values): pack(operation, result, values)
        case .unpack(let operation, let results, let a): unpack(operation, results, a)
        case .special(let result, let register): special(result, register)
        case .parameter(let result, let number): parameter(result, number)
        case .sharedAddress(let result, let offset): sharedAddress(result, offset)

        case .shuffle(let mode, let result, let a, let lane): shuffle(mode, result, a, lane)
        case .transpose(let result, let a): transpose(result, a)
        case .vote(let mode, let result, let a): vote(mode, result, a)
        case .elect(let result): elect(result)
        case .syncWarp: syncWarp()

        case .load(let access, let results, let address): load(access, results, address)
        case .store(let access, let values, let address): store(access, values, address)
        case .atomic(let operation, let access, let result, let address, let value, let compare):
            atomic(operation, access, result, address, value, compare)
        case .discard(let address): emit("discard.global.L2 \(self.address(address, .global)), \(Op.discardedBytes)")
        case .fence(let order): fence(order)
        case .proxyFence(let fence): proxyFence(fence)

        case .barrier(let action, let id, let threads): barrier(action, id, threads)
        case .clusterBarrier(let action): clusterBarrier(action)
        case .mbarrierInit(let address, let arrivals): mbarrierInit(address, arrivals)
        case .mbarrierInvalidate(let address): mbarrierInvalidate(address)
        case .mbarrierArrive(let address, let bytes): mbarrierArrive(address, bytes)
        case .mbarrierTryWait(let result, let address, let parity): mbarrierTryWait(result, address, parity)

        case .bulkLoad(let shared, let global, let bytes, let mbarrier, let cache):
            bulkLoad(shared, global, bytes, mbarrier, cache)
        case .bulkStore(let global, let shared, let bytes): bulkStore(global, shared, bytes)
        case .bulkPrefetch(let global, let bytes): bulkPrefetch(global, bytes)
        case .tensorLoad(let shared, let map, let coordinates, let mbarrier, let cache):
            tensorLoad(shared, map, coordinates, mbarrier, cache)
        case .tensorStore(let map, let coordinates, let shared): tensorStore(map, coordinates, shared)
        case .tensorPrefetch(let map): tensorPrefetch(map)
        case .bulkCommit: bulkCommit()
        case .bulkWait(let pending, let reading): bulkWait(pending, reading)

        case .network(let operation): network(operation)

        case .wgmmaFence: wgmmaFence()
        case .wgmma(let multiply): wgmma(multiply)
        case .wgmmaCommit: wgmmaCommit()
        case .wgmmaWait(let pending): wgmmaWait(pending)

        case .setRegisterCount(let count, let increase): setRegisterCount(count, increase)
        case .dependentLaunch(let action): dependentLaunch(action)
        case .nanosleep(let time): nanosleep(time)

        case .if(let condition, let then, let otherwise): conditional(condition, then, otherwise)
        case .loop(let body): loop(body)
        case .breakIf(let condition): breakIf(condition)
        case .exit: exit()
        }
    }
}
