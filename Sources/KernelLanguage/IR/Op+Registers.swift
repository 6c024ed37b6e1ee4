extension Op {
    /// Registers that the operation writes. A warp-group multiply's accumulators are listed here and in `operands`.
    public var results: [Register] {
        switch self {
        case .move(let r, _), .unary(_, let r, _), .binary(_, let r, _, _), .multiplyAdd(let r, _, _, _),
            .compare(_, _, let r, _, _), .select(let r, _, _, _), .convert(let r, _, _), .reinterpret(let r, _, _),
            .pack(_, let r, _), .special(let r, _), .parameter(let r, _), .sharedAddress(let r, _),
            .shuffle(_, let r, _, _), .transpose(let r, _), .vote(_, let r, _), .elect(let r),
            .mbarrierTryWait(let r, _, _):
            [r]
        case .unpack(_, let rs, _), .load(_, let rs, _): rs
        case .atomic(_, _, let r, _, _, _): r.map { [$0] } ?? []
        case .wgmma(let multiply): multiply.accumulators
        case .network(let operation): operation.results
        case .syncWarp, .store, .discard, .fence, .proxyFence, .barrier, .clusterBarrier, .mbarrierInit,
            .mbarrierInvalidate,
            .mbarrierArrive, .bulkLoad, .bulkStore, .bulkPrefetch, .tensorLoad, .tensorStore, .tensorPrefetch,
            .bulkCommit, .bulkWait, .wgmmaFence, .wgmmaCommit, .wgmmaWait, .setRegisterCount, .dependentLaunch,
            .nanosleep, .if, .loop, .breakIf, .exit:
            []
        }
    }

    /// Operands that the operation reads; bases of addresses included, nested blocks excluded.
    public var operands: [Operand] {
        switch self {
        case .move(_, let a), .unary(_, _, let a), .convert(_, _, let a), .reinterpret(_, _, let a),
            .unpack(_, _, let a),
            .transpose(_, let a), .vote(_, _, let a), .nanosleep(let a), .breakIf(let a), .if(let a, _, _),
            .barrier(_, let a, _):
            [a]
        case .binary(_, _, let a, let b), .compare(_, _, _, let a, let b), .shuffle(_, _, let a, let b): [a, b]
        case .multiplyAdd(_, let a, let b, let c), .select(_, let a, let b, let c): [a, b, c]
        case .pack(_, _, let values): values
        case .load(_, _, let address), .discard(let address), .mbarrierInvalidate(let address): [address.base]
        case .store(_, let values, let address): values + [address.base]
        case .atomic(_, _, _, let address, let value, let compare):
            [address.base, value] + (compare.map { [$0] } ?? [])
        case .mbarrierInit(let address, let arrivals): [address.base, arrivals]
        case .mbarrierArrive(let address, let bytes): [address.base] + (bytes.map { [$0] } ?? [])
        case .mbarrierTryWait(_, let address, let parity): [address.base, parity]
        case .bulkLoad(let shared, let global, let bytes, let mbarrier, _):
            [shared.base, global.base, bytes, mbarrier.base]
        case .bulkStore(let global, let shared, let bytes): [global.base, shared.base, bytes]
        case .bulkPrefetch(let global, let bytes): [global.base, bytes]
        case .tensorLoad(let shared, _, let coordinates, let mbarrier, _): [shared.base] + coordinates + [mbarrier.base]
        case .tensorStore(_, let coordinates, let shared): coordinates + [shared.base]
        case .network(let operation): operation.operands
        case .wgmma(let multiply):
            multiply.accumulators.map(Operand.register) + [multiply.b, multiply.accumulate]
                + {
                    switch multiply.a {
                    case .descriptor(let descriptor): [descriptor]
                    case .registers(let registers): registers
                    }
                }()
        case .special, .parameter, .sharedAddress, .elect, .syncWarp, .fence, .proxyFence, .clusterBarrier,
            .tensorPrefetch, .bulkCommit, .bulkWait, .wgmmaFence, .wgmmaCommit, .wgmmaWait, .setRegisterCount,
            .dependentLaunch, .loop, .exit:
            []
        }
    }

    /// Bytes that a `discard` covers.
    public static let discardedBytes = 128

    /// The operation's name, as `Op` spells its case.
    public var name: String {
        let text = String(describing: self)
        return String(text.prefix { $0 != "(" })
    }
}
