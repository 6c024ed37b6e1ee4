import KernelLanguage

extension Op {
    /// The ways to weaken the operation's ordering.
    var weakenings: [Mutation.Change] {
        switch self {
        case .load(let access, _, _), .store(let access, _, _): access.weakenings(isAtomic: false)
        case .atomic(_, let access, _, _, _, _): access.weakenings(isAtomic: true)
        case .fence(let order):
            [.removed] + (order.strength == .sequentiallyConsistent ? [.order(.acquireRelease)] : []) + order.narrowed
        case .proxyFence(.async): [.proxyFence(.asyncShared), .proxyFence(.asyncGlobal)]
        case .bulkWait(_, let reading): reading ? [.removed] : [.removed, .onlyRead]
        case .mbarrierTryWait: [.notWaiting]
        case .loop(let block): block.isPolling ? [.notWaiting] : []
        case .dependentLaunch(let action): action == .wait ? [.removed] : []
        case .network(let operation): operation.weakenings
        case .proxyFence, .syncWarp, .barrier, .clusterBarrier, .mbarrierArrive, .bulkCommit, .wgmmaFence, .wgmmaCommit,
            .wgmmaWait:
            [.removed]
        case .move, .unary, .binary, .multiplyAdd, .compare, .select, .convert, .reinterpret, .pack, .unpack, .special,
            .parameter, .sharedAddress, .shuffle, .transpose, .vote, .elect, .mbarrierInit, .mbarrierInvalidate,
            .bulkLoad, .bulkStore, .bulkPrefetch, .tensorLoad, .tensorStore, .tensorPrefetch, .wgmma, .setRegisterCount,
            .discard, .nanosleep, .if, .breakIf, .exit:
            []
        }
    }

    /// The operation after a change of `weakenings`; nil if nothing is left of it.
    func changed(_ change: Mutation.Change, at location: SourceLocation) -> Op? {
        switch (self, change) {
        case (.load(var access, let results, let address), _):
            access.apply(change)
            return .load(access, results, address)
        case (.store(var access, let values, let address), _):
            access.apply(change)
            return .store(access, values, address)
        case (.atomic(let operation, var access, let result, let address, let value, let compare), _):
            access.apply(change)
            return .atomic(operation, access, result, address, value, compare: compare)
        case (.fence(let order), .order(let strength)): return .fence(MemoryOrder(strength, order.scope ?? .block))
        case (.fence(let order), .scope(let scope)): return .fence(MemoryOrder(order.strength, scope))
        case (.proxyFence, .proxyFence(let fence)): return .proxyFence(fence)
        case (.bulkWait(let pending, _), .onlyRead): return .bulkWait(pending: pending, reading: true)
        case (.mbarrierTryWait(let result, _, _), .notWaiting): return .move(result, .constant(1))
        case (.network(let operation), _): return operation.changed(change, at: location)
        case (.loop(let block), .notWaiting): return .loop(block.leavingAtOnce)
        default: return nil
        }
    }

    /// A name for reports.
    var mutationName: String {
        switch self {
        case .load(let access, _, _): "\(access.mutationName) load"
        case .store(let access, _, _): "\(access.mutationName) store"
        case .atomic(_, let access, _, _, _, _): "\(access.mutationName) atomic"
        case .fence(.sequentiallyConsistent(let scope)): "sequential fence (\(scope.rawValue) scope)"
        case .fence(let order): "fence (\(order.scope?.rawValue ?? "no") scope)"
        case .proxyFence(let fence): "proxyFence(.\(fence.rawValue))"
        case .barrier(let action, let id, _):
            if case .constant(let number) = id {
                "barrier \(number) \(action.rawValue)"
            } else {
                "barrier \(action.rawValue)"
            }
        case .bulkWait(_, let reading): reading ? "bulkStoreWait(.sourceRead)" : "bulkStoreWait(.completed)"
        case .dependentLaunch: "waitForPrerequisites"
        case .loop: "polling loop"
        case .network(let operation): operation.mutationName
        default: name
        }
    }
}

extension MemoryAccess {
    fileprivate func weakenings(isAtomic: Bool) -> [Mutation.Change] {
        let strengths: [MemoryOrder.Strength] =
            switch order.strength {
            case .weak: []
            case .relaxed: isAtomic ? [] : [.weak]
            case .acquire, .release: [.relaxed]
            // Of fences only.
            case .sequentiallyConsistent: []
            case .acquireRelease: [.acquire, .release]
            }
        return strengths.map { .order($0) } + order.narrowed
    }

    fileprivate mutating func apply(_ change: Mutation.Change) {
        switch change {
        case .order(let strength): order = order.scope.map { MemoryOrder(strength, $0) } ?? order
        case .scope(let scope): order = MemoryOrder(order.strength, scope)
        case .proxyFence, .onlyRead, .notWaiting, .uncovered, .setting, .otherChannel, .removed: break
        }
    }

    fileprivate var mutationName: String {
        order == .weak ? "plain" : "\(order)"
    }
}

extension MemoryOrder {
    /// The next narrower scope. Cluster scope is left out: few kernels have clusters.
    fileprivate var narrowed: [Mutation.Change] {
        switch scope {
        case .system: [.scope(.gpu)]
        case .gpu, .cluster: [.scope(.block)]
        case .block, nil: []
        }
    }
}

extension Block {
    /// A loop over this block waits for memory: it loads with an order other than weak, and leaves on a condition.
    fileprivate var isPolling: Bool {
        instructions.contains { if case .load(let access, _, _) = $0.op { access.order != .weak } else { false } }
            && instructions.contains { if case .breakIf = $0.op { true } else { false } }
    }

    /// The same block, which leaves its loop in the first iteration.
    fileprivate var leavingAtOnce: Block {
        var block = self
        if let index = instructions.firstIndex(where: { if case .breakIf = $0.op { true } else { false } }) {
            block.instructions[index].op = .breakIf(.constant(1))
        }
        return block
    }
}
