import KernelLanguage

extension Forms {
    /// Network operations, with registers and constants, and offsets of addresses.
    static func network() -> Forms {
        var forms = Forms("network")
        for constants in [false, true] {
            for offset in [0, 32] {
                forms.add { k in
                    let (route, address) = (k.route(constants: constants), k.address(.global, offset: offset))
                    let value = k.value(.uint64, constant: constants)
                    k.emit(.network(.add(route, word: address, value: value)))
                    k.emit(.network(.putWord(route, target: address, value: value)))
                    let flushed = k.register(.bool)
                    k.emit(.network(.flush(flushed, route)))
                    k.use(flushed)
                }
                for action in NetworkSignal.Action.allCases.map(Optional.some) + [nil] {
                    forms.add { k in
                        let (route, address) = (k.route(constants: constants), k.address(.global, offset: offset))
                        let bytes = constants ? Operand.constant(64) : k.value(.uint32)
                        let value = k.value(.uint64, constant: constants)
                        let signal = action.map { NetworkSignal($0, word: address, value: value) }
                        k.emit(
                            .network(.put(route, target: address, source: address, bytes: bytes, signal: signal)))
                    }
                }
            }
        }
        return forms
    }
}

extension RawKernel {
    fileprivate mutating func route(constants: Bool) -> NetworkRoute {
        NetworkRoute(
            context: value(.uint64, constant: constants), peer: value(.uint32, constant: constants),
            channel: value(.uint32, constant: constants))
    }
}
