import KernelLanguage

extension Printer {
    mutating func special(_ result: Register, _ register: SpecialRegister) {
        let spelling =
            switch register {
            case .threadIndex: "%tid.x"
            case .blockSize: "%ntid.x"
            case .blockIndex: "%ctaid.x"
            case .gridSize: "%nctaid.x"
            case .lane: "%laneid"
            case .clusterRank: "%cluster_ctarank"
            case .multiprocessor: "%smid"
            case .globalTimer: "%globaltimer"
            }
        emit("mov.\(register.type.arithmetic) \(name(result)), \(spelling)")
    }

    mutating func parameter(_ result: Register, _ number: Int) {
        emit("ld.param.\(type(result).bits) \(name(result)), [\(parameterName(number))]")
    }

    mutating func sharedAddress(_ result: Register, _ offset: Int) {
        let offset = offset == 0 ? "" : "+\(offset)"
        // With no shared memory at all, the only address is that of its end.
        let base = kernel.sharedBytes > 0 ? PTXModule.sharedMemory + offset : "0"
        emit("mov.b32 \(name(result)), \(base)")
    }
}
