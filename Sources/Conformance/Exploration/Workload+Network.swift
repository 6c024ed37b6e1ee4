import ExpertKernels

extension Workload {
    /// Packets between two ranks by a network adapter, staged in two places in turn.
    package static func packets() -> [Workload] {
        NetworkAdapter.allCases.flatMap { adapter in
            NetworkPackets.Answer.allCases.map { answer in
                Workload("network packets answered by \(answer.rawValue), \(adapter.rawValue)", multiprocessors: 2) {
                    device in
                    let packets = NetworkPackets(adapter: adapter, answer: answer)
                    let found = try packets.run(on: device)
                    for rank in 0..<2 { try requireEqual("rank \(rank)", found[rank], packets.expected[rank]) }
                    return found.map { $0.map { UInt16(truncatingIfNeeded: $0) } }
                }
            }
        }
    }
}
