extension NetworkOperation {
    /// The first problem with the operation's types and constants, or nil.
    func problem(_ rule: TypeRule) -> String? {
        route.problem(rule)
            ?? {
                switch self {
                case .put(_, let target, let source, let bytes, let signal):
                    rule.network(target, multipleOf: 16, "target") ?? rule.network(source, multipleOf: 16, "source")
                        ?? rule.networkBytes(bytes)
                        ?? signal.flatMap {
                            rule.network($0.word, multipleOf: 8, "signal")
                                ?? rule.expect($0.value, .uint64, "signal's value")
                        }
                case .add(_, let word, let value):
                    rule.network(word, multipleOf: 8, "word") ?? rule.expect(value, .uint64, "value")
                case .putWord(_, let target, let value):
                    rule.network(target, multipleOf: 8, "target") ?? rule.expect(value, .uint64, "value")
                case .flush(let result, _):
                    rule.expect(result, .bool, "result")
                }
            }()
    }
}

extension NetworkRoute {
    fileprivate func problem(_ rule: TypeRule) -> String? {
        rule.expect(context, .uint64, "context") ?? rule.expect(peer, .uint32, "peer")
            ?? rule.expect(channel, .uint32, "channel")
            ?? rule.constant(channel, in: 0...UInt64(NetworkOperation.maximumChannels - 1), "channel")
    }
}

extension TypeRule {
    fileprivate func network(_ address: Address, multipleOf size: Int, _ role: String) -> String? {
        expect(address.base, .uint64, role)
            ?? require(
                address.offset % size == 0, "the \(role)'s offset \(address.offset) is not a multiple of \(size)")
    }

    fileprivate func networkBytes(_ bytes: Operand) -> String? {
        expect(bytes, .uint32, "bytes")
            ?? {
                guard case .constant(let count) = bytes else { return nil }
                return require(count > 0 && count % 16 == 0, "\(count) bytes; puts move multiples of 16")
            }()
    }
}
