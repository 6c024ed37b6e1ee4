import KernelLanguage

/// Network operations are calls of functions that a shim for the adapter defines. `NetworkFunction` lists their
/// parameters.
extension Printer {
    mutating func network(_ operation: NetworkOperation) {
        let route = operation.route
        let way = [
            inRegister(route.context, .uint64), inRegister(route.peer, .uint32), inRegister(route.channel, .uint32),
        ]
        switch operation {
        case .put(_, let target, let source, let bytes, let signal):
            let moved = [number(target), number(source), inRegister(bytes, .uint32)]
            if let signal {
                let word = [number(signal.word), inRegister(signal.value, .uint64)]
                call(signal.action == .add ? .putAdd : .putSet, way + moved + word)
            } else {
                call(.put, way + moved)
            }
        case .add(_, let word, let value): call(.add, way + [number(word), inRegister(value, .uint64)])
        case .putWord(_, let target, let value): call(.putWord, way + [number(target), inRegister(value, .uint64)])
        case .flush(let result, _):
            let answer = newRegister(.uint32)
            emit("call (\(answer)), \(NetworkFunction.flush.name), (\(way.joined(separator: ", ")))")
            emit("setp.ne.u32 \(name(result)), \(answer), 0")
        }
    }

    /// The release comes first, so that shims need none.
    private mutating func call(_ function: NetworkFunction, _ arguments: [String]) {
        emit("fence.acq_rel.sys")
        emit("call \(function.name), (\(arguments.joined(separator: ", ")))")
    }

    /// A register with a global address.
    private mutating func number(_ address: Address) -> String {
        let base = inRegister(address.base, .uint64)
        if address.offset == 0 { return base }
        let sum = newRegister(.uint64)
        emit("add.u64 \(sum), \(base), \(text(.constant(UInt64(bitPattern: Int64(address.offset))), .uint64))")
        return sum
    }
}
