import KernelLanguage

extension MemoryScope {
    var spelling: String {
        switch self {
        case .block: "cta"
        case .cluster: "cluster"
        case .gpu: "gpu"
        case .system: "sys"
        }
    }
}

extension MemoryOrder {
    /// Order and scope as modifiers; nothing for a weak order.
    var modifiers: String {
        switch self {
        case .weak: ""
        case .relaxed(let scope): ".relaxed.\(scope.spelling)"
        case .acquire(let scope): ".acquire.\(scope.spelling)"
        case .release(let scope): ".release.\(scope.spelling)"
        case .acquireRelease(let scope): ".acq_rel.\(scope.spelling)"
        case .sequentiallyConsistent(let scope): ".sc.\(scope.spelling)"
        }
    }
}

extension Printer {
    mutating func load(_ access: MemoryAccess, _ results: [Register], _ address: Address) {
        let source = self.address(address, access.space)
        let (prefix, policy) = modifiers(access)
        let targets = vector(results.map { name($0) })
        emit("ld\(prefix)\(size(access, results.count)) \(targets), \(source)\(policy)")
    }

    mutating func store(_ access: MemoryAccess, _ values: [Operand], _ address: Address) {
        let target = self.address(address, access.space)
        let sources = vector(
            values.count == 1
                ? [text(values[0], access.element)] : values.map { inRegister($0, access.element) })
        let (prefix, policy) = modifiers(access)
        emit("st\(prefix)\(size(access, values.count)) \(target), \(sources)\(policy)")
    }

    private func size(_ access: MemoryAccess, _ count: Int) -> String {
        (count > 1 ? ".v\(count)" : "") + "." + access.element.memory
    }

    private func vector(_ elements: [String]) -> String {
        elements.count == 1 ? elements[0] : "{" + elements.joined(separator: ", ") + "}"
    }

    /// Order, scope, space and cache hint, and the operand that the hint brings.
    private mutating func modifiers(_ access: MemoryAccess) -> (prefix: String, policy: String) {
        let order = access.order.modifiers
        // Shared memory has no caches.
        guard access.space == .global else { return ("\(order).shared", "") }
        let hint =
            switch access.cache {
            case .normal: ""
            // An access that synchronises must not go through a path that is not coherent.
            case .readOnly: access.order == .weak ? ".nc" : ""
            case .streaming: ".L1::no_allocate"
            case .evictFirst: ".L1::no_allocate.L2::cache_hint"
            case .evictLast: ".L2::cache_hint"
            }
        return ("\(order).global\(hint)", policy(access.cache).map { ", \($0)" } ?? "")
    }

    mutating func atomic(
        _ operation: AtomicOperation, _ access: MemoryAccess, _ result: Register?, _ address: Address, _ value: Operand,
        _ compare: Operand?
    ) {
        let element = access.element
        let spelling =
            switch operation {
            case .add: "add.\(element.arithmetic)"
            case .minimum: "min.\(element.arithmetic)"
            case .maximum: "max.\(element.arithmetic)"
            case .exchange: "exch.\(element.bits)"
            case .compareAndSwap: "cas.\(element.bits)"
            case .or: "or.\(element.bits)"
            case .and: "and.\(element.bits)"
            }
        let target = self.address(address, access.space)
        let modifiers = "\(access.order.modifiers).\(access.space.rawValue).\(spelling)"
        let operands = [target] + (compare.map { [text($0, element)] } ?? []) + [text(value, element)]
        if result == nil, isReduction(operation, access.order) {
            emit("red\(modifiers) \(operands.joined(separator: ", "))")
        } else {
            let old = result.map { name($0) } ?? newRegister(element)
            emit("atom\(modifiers) \(old), \(operands.joined(separator: ", "))")
        }
    }

    /// Whether `red` has this: it returns nothing, so it can neither acquire nor exchange.
    private func isReduction(_ operation: AtomicOperation, _ order: MemoryOrder) -> Bool {
        operation != .exchange && operation != .compareAndSwap && [.relaxed, .release].contains(order.strength)
    }

    mutating func fence(_ order: MemoryOrder) {
        emit("fence\(order.modifiers)")
    }

    mutating func proxyFence(_ fence: ProxyFence) {
        switch fence {
        case .asyncShared: emit("fence.proxy.async.shared::cta")
        case .asyncGlobal: emit("fence.proxy.async.global")
        case .async: emit("fence.proxy.async")
        case .barrierInit: emit("fence.mbarrier_init.release.cluster")
        }
    }
}
