import ExpertKernels
import Simulator

extension Workload {
    /// Packets between two ranks by a network adapter, staged in two places in turn. Of a network engine's orders kernels may
    /// rely on neither.
    package static func packets() -> [Workload] {
        NetworkPackets.Answer.allCases.flatMap { answer in
            [packets(.loopback, answer, NetworkConfiguration())]
                + NetworkConfiguration.Order.allCases.map { packets(.engine, answer, NetworkConfiguration(order: $0)) }
        }
    }

    private static func packets(
        _ adapter: NetworkAdapter, _ answer: NetworkPackets.Answer, _ network: NetworkConfiguration
    ) -> Workload {
        let name = adapter == .engine ? "engine, \(network.order.rawValue)" : adapter.rawValue
        return Workload(
            "network packets answered by \(answer.rawValue), \(name)", multiprocessors: 2, network: network
        ) { device in
            let packets = NetworkPackets(adapter: adapter, answer: answer)
            let found = try packets.run(on: device)
            for rank in 0..<2 { try requireEqual("rank \(rank)", found[rank], packets.expected[rank]) }
            return found.map { $0.map { UInt16(truncatingIfNeeded: $0) } }
        }
    }
}
