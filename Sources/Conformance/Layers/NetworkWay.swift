import Accelerator
import ExpertKernels
import ExpertParallel
import Simulator

/// A network between ranks, and its order.
struct NetworkWay {
    let network: GroupNetwork
    /// The order of the simulator's engine.
    var order = NetworkConfiguration.Order.unordered

    /// A modelled card.
    static let card: NetworkModel = {
        let model = try? NetworkModel(bytesPerSecond: 50e9, latencyNanoseconds: 5_000, messageNanoseconds: 200)
        guard let model else { preconditionFailure("all of it is in range") }
        return model
    }()

    var name: String { "\(network)" + (network.adapter == .engine ? ", \(order.rawValue)" : "") }

    /// The modes whose steps differ. `direct` runs as `singleBatch` where a network reaches ranks; the plain loopback
    /// shows that it does.
    var modes: [OverlapMode] {
        OverlapMode.allCases.filter { $0 != .direct || network == GroupNetwork(.loopback) }
    }

    /// The device to use: that given, or one with a network like this.
    func device(_ device: any Device) -> any Device {
        guard network.adapter == .engine, let simulated = device as? SimulatedDevice else { return device }
        var configuration = simulated.configuration
        configuration.network.order = order
        // With a queue that fills up within a step.
        configuration.network.queueDepth = 8
        return SimulatedDevice(configuration: configuration)
    }

    func layer(
        _ fixture: LayerFixture, on device: any Device, communicating: Int? = nil, waitLimit: Double = 10,
        notesArrivals: Bool = false, onFailure: FailurePolicy = .stop
    ) throws -> MoELayerGroup {
        try fixture.layer(
            on: device, communicating: communicating, waitLimit: waitLimit, notesArrivals: notesArrivals,
            onFailure: onFailure, network: network)
    }
}

/// A small layer, in which some ranks have no tokens and some choices are left out.
func networkFixture(ranks: Int, _ pattern: LayerFixture.Pattern = .sparse) throws -> LayerFixture {
    let shape = try LayerShape(
        hidden: 256, intermediate: 128, experts: 12, topK: 3, ranks: ranks, maxTokens: 6, sharedExperts: 1)
    return LayerFixture(
        shape, tokens: (0..<ranks).map { [6, 3, 0, 5][$0] }, pattern: pattern, sharedIntermediate: 128)
}
