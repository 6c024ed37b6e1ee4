import KernelLanguage

extension Printer {
    mutating func barrier(_ action: BarrierAction, _ id: Operand, _ threads: Int?) {
        let count = threads.map { ", \($0)" } ?? ""
        emit("bar.\(action.rawValue) \(text(id, .uint32))\(count)")
    }

    mutating func clusterBarrier(_ action: ClusterBarrierAction) {
        switch action {
        case .arrive: emit("barrier.cluster.arrive.release.aligned")
        case .wait: emit("barrier.cluster.wait.acquire.aligned")
        }
    }

    mutating func mbarrierInit(_ address: Address, _ arrivals: Operand) {
        emit("mbarrier.init.shared::cta.b64 \(self.address(address, .shared)), \(text(arrivals, .uint32))")
    }

    mutating func mbarrierInvalidate(_ address: Address) {
        emit("mbarrier.inval.shared::cta.b64 \(self.address(address, .shared))")
    }

    mutating func mbarrierArrive(_ address: Address, _ bytes: Operand?) {
        let target = self.address(address, .shared)
        if let bytes {
            emit("mbarrier.arrive.expect_tx.shared::cta.b64 _, \(target), \(text(bytes, .uint32))")
        } else {
            emit("mbarrier.arrive.shared::cta.b64 _, \(target)")
        }
    }

    mutating func mbarrierTryWait(_ result: Register, _ address: Address, _ parity: Operand) {
        let target = self.address(address, .shared)
        emit("mbarrier.try_wait.parity.shared::cta.b64 \(name(result)), \(target), \(text(parity, .uint32))")
    }
}
