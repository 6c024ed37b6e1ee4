extension Digester {
    /// Puts a number for the operation, and all that it holds.
    mutating func put(_ op: Op) {
        switch op {
        case .move(let r, let a):
            put(0)
            put(r)
            put(a)
        case .unary(let operation, let r, let a):
            put(1)
            put(operation)
            put(r)
            put(a)
        case .binary(let operation, let r, let a, let b):
            put(2)
            put(operation)
            put(r)
            put(a)
            put(b)
        case .multiplyAdd(let r, let a, let b, let c):
            put(3)
            put(r)
            put(a)
            put(b)
            put(c)
        case .compare(let comparison, let type, let r, let a, let b):
            put(4)
            put(comparison)
            put(type)
            put(r)
            put(a)
            put(b)
        case .select(let r, let condition, let a, let b):
            put(5)
            put(r)
            put(condition)
            put(a)
            put(b)
        case .convert(let r, let type, let a):
            put(6)
            put(r)
            put(type)
            put(a)
        case .reinterpret(let r, let type, let a):
            put(7)
            put(r)
            put(type)
            put(a)
        case .pack(let operation, let r, let values):
            put(8)
            put(operation)
            put(r)
            put(values)
        case .unpack(let operation, let results, let a):
            put(9)
            put(operation)
            put(results)
            put(a)
        case .special(let r, let source):
            put(10)
            put(r)
            put(source)
        case .parameter(let r, let number):
            put(11)
            put(r)
            put(number)
        case .sharedAddress(let r, let offset):
            put(12)
            put(r)
            put(offset)
        case .shuffle(let mode, let r, let a, let lane):
            put(13)
            put(mode)
            put(r)
            put(a)
            put(lane)
        case .transpose(let r, let a):
            put(14)
            put(r)
            put(a)
        case .vote(let mode, let r, let a):
            put(15)
            put(mode)
            put(r)
            put(a)
        case .elect(let r):
            put(16)
            put(r)
        case .syncWarp:
            put(17)
        case .load(let access, let results, let address):
            put(18)
            put(access)
            put(results)
            put(address)
        case .store(let access, let values, let address):
            put(19)
            put(access)
            put(values)
            put(address)
        case .atomic(let operation, let access, let r, let address, let value, let compare):
            put(20)
            put(operation)
            put(access)
            put(r) { $0.put($1) }
            put(address)
            put(value)
            put(compare)
        case .discard(let address):
            put(21)
            put(address)
        case .fence(let order):
            put(22)
            put(order)
        case .proxyFence(let fence):
            put(23)
            put(fence)
        case .barrier(let action, let id, let threads):
            put(24)
            put(action)
            put(id)
            put(threads) { $0.put($1) }
        case .clusterBarrier(let action):
            put(25)
            put(action)
        case .mbarrierInit(let address, let arrivals):
            put(26)
            put(address)
            put(arrivals)
        case .mbarrierInvalidate(let address):
            put(27)
            put(address)
        case .mbarrierArrive(let address, let bytes):
            put(28)
            put(address)
            put(bytes)
        case .mbarrierTryWait(let r, let address, let parity):
            put(29)
            put(r)
            put(address)
            put(parity)
        case .bulkLoad(let shared, let global, let bytes, let mbarrier, let cache):
            put(30)
            put(shared)
            put(global)
            put(bytes)
            put(mbarrier)
            put(cache)
        case .bulkStore(let global, let shared, let bytes):
            put(31)
            put(global)
            put(shared)
            put(bytes)
        case .bulkPrefetch(let global, let bytes):
            put(32)
            put(global)
            put(bytes)
        case .tensorLoad(let shared, let map, let coordinates, let mbarrier, let cache):
            put(33)
            put(shared)
            put(map)
            put(coordinates)
            put(mbarrier)
            put(cache)
        case .tensorStore(let map, let coordinates, let shared):
            put(34)
            put(map)
            put(coordinates)
            put(shared)
        case .tensorPrefetch(let map):
            put(35)
            put(map)
        case .bulkCommit:
            put(36)
        case .bulkWait(let pending, let reading):
            put(37)
            put(pending)
            put(reading)
        case .wgmmaFence:
            put(38)
        case .wgmma(let multiply):
            put(39)
            put(multiply)
        case .wgmmaCommit:
            put(40)
        case .wgmmaWait(let pending):
            put(41)
            put(pending)
        case .setRegisterCount(let count, let increase):
            put(42)
            put(count)
            put(increase)
        case .dependentLaunch(let action):
            put(43)
            put(action)
        case .nanosleep(let a):
            put(44)
            put(a)
        case .if(let condition, let then, let otherwise):
            put(45)
            put(condition)
            put(then)
            put(otherwise)
        case .loop(let body):
            put(46)
            put(body)
        case .breakIf(let condition):
            put(47)
            put(condition)
        case .exit:
            put(48)
        case .network(let operation):
            put(49)
            put(operation)
        }
    }
}
