import ExpertKernels
import ExpertParallel
import Simulator

extension Workload {
    /// Packets between two ranks by a network adapter, staged in two places in turn. Kernels may rely on neither of a
    /// network engine's orders.
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

    /// Layers by a network adapter: where nobody is masked, and where somebody is.
    static func networkLayers(narrow: LayerShape, tall: LayerShape) throws -> [Workload] {
        let three = try LayerShape(hidden: 128, intermediate: 128, experts: 3, topK: 2, ranks: 3, maxTokens: 2)
        let chain = try LayerShape(hidden: 128, intermediate: 128, experts: 3, topK: 1, ranks: 3, maxTokens: 2)
        let (engine, loopback) = (GroupNetwork(.engine), GroupNetwork(.loopback))
        let card = try NetworkModel(bytesPerSecond: 50e9, latencyNanoseconds: 500, messageNanoseconds: 100)
        let modelled = GroupNetwork(.loopback, model: card)
        return OverlapMode.allCases.flatMap { mode in
            [
                layer(narrow, tokens: [2, 1], overlap: mode, enqueueing: .streamed, network: engine),
                layer(
                    narrow, tokens: [2, 1], overlap: mode, network: engine,
                    simulated: NetworkConfiguration(order: .connected)),
                layer(narrow, tokens: [2, 1], overlap: mode, enqueueing: .streamed, network: loopback),
                masking(narrow, tokens: [2, 2], overlap: mode, fault: .absentRank, network: engine),
            ]
        } + [
            layer(
                narrow, tokens: [2, 1], overlap: .none, enqueueing: .streamed, multiprocessors: 4, network: modelled),
            layer(tall, tokens: [3, 2], overlap: .direct, notesArrivals: true, network: modelled),
            layer(tall, tokens: [3, 2], overlap: .direct, network: engine),
            layer(tall, tokens: [3, 2], overlap: .singleBatch, multiprocessors: 4, communicating: 2, network: engine),
            layer(narrow, tokens: [2, 1], overlap: .none, notesArrivals: true, network: engine),
            // Two of three ranks reach each other by loads and stores.
            layer(
                three, tokens: [2, 1, 2], overlap: .direct, enqueueing: .replayed,
                network: GroupNetwork(.engine, ranksPerNode: 2)),
            // Rank 0 waits for rows of the last rank, and rank 1 for results of rank 0.
            masking(
                chain, tokens: [2, 2, 2], overlap: .none, fault: .silentRank, pattern: .firstRank, network: engine),
            masking(
                chain, tokens: [2, 2, 2], overlap: .none, fault: .silentRank, pattern: .firstRank, network: loopback),
            masking(narrow, tokens: [2, 2], overlap: .direct, fault: .lateRank, network: engine),
            try communication(.bfloat16, tokens: [3, 0, 2], network: engine),
            try communication(.float8, tokens: [3, 2], network: engine),
            // A rank without tokens says by its row counts alone that its memory is free.
            try communication(.float8, tokens: [3, 0], network: loopback),
        ]
    }
}
