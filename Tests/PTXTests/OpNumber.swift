import KernelLanguage

extension Op {
    /// How many cases there are below.
    static let cases = 50

    /// A number for each case, to see that all were tested. A new case stops this from compiling.
    var number: Int {
        switch self {
        case .move: 0
        case .unary: 1
        case .binary: 2
        case .multiplyAdd: 3
        case .compare: 4
        case .select: 5
        case .convert: 6
        case .reinterpret: 7
        case .pack: 8
        case .unpack: 9
        case .special: 10
        case .parameter: 11
        case .sharedAddress: 12
        case .shuffle: 13
        case .vote: 14
        case .elect: 15
        case .syncWarp: 16
        case .load: 17
        case .store: 18
        case .atomic: 19
        case .fence: 20
        case .proxyFence: 21
        case .barrier: 22
        case .clusterBarrier: 23
        case .mbarrierInit: 24
        case .mbarrierInvalidate: 25
        case .mbarrierArrive: 26
        case .mbarrierTryWait: 27
        case .bulkLoad: 28
        case .bulkStore: 29
        case .bulkPrefetch: 30
        case .tensorLoad: 31
        case .tensorStore: 32
        case .tensorPrefetch: 33
        case .bulkCommit: 34
        case .bulkWait: 35
        case .wgmmaFence: 36
        case .wgmma: 37
        case .wgmmaCommit: 38
        case .wgmmaWait: 39
        case .setRegisterCount: 40
        case .dependentLaunch: 41
        case .nanosleep: 42
        case .if: 43
        case .loop: 44
        case .breakIf: 45
        case .exit: 46
        case .transpose: 47
        case .discard: 48
        case .network: 49
        }
    }

    /// The operation and those nested in it.
    var nested: [Op] {
        switch self {
        case .if(_, let then, let otherwise): [self] + then.ops + otherwise.ops
        case .loop(let body): [self] + body.ops
        default: [self]
        }
    }
}

extension Block {
    /// All operations, nested ones included.
    var ops: [Op] { instructions.flatMap { $0.op.nested } }
}
