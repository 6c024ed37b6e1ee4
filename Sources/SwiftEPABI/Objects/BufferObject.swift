import CSwiftEP
import ExpertKernels
import ExpertParallel

/// A rank's buffer for dispatch and combine.
final class BufferObject {
    let device: DeviceObject
    let buffer: CommunicationBuffer

    init(_ group: GroupObject, rank: Int, _ configuration: swiftep_buffer_configuration) throws {
        device = group.device
        let properties = device.device.properties
        var made = try groupConfiguration(
            configuration, ranks: group.ranks, ranksOnDevice: group.ranksOnDevice,
            deviceMultiprocessors: properties.multiprocessors)
        made.network = group.network
        try CommunicationBuffer.require(made)
        let (configuration, device) = (made, device.device)
        buffer = try group.make(rank) {
            try CommunicationBuffer(device: device, configuration: configuration, transport: $0)
        }
    }

    /// The buffer with this number.
    static func find(_ number: swiftep_buffer) throws(ABIError) -> BufferObject {
        try Handles.find(number, BufferObject.self, "buffer")
    }
}

/// The configuration of a group by a caller's of a buffer.
func groupConfiguration(
    _ given: swiftep_buffer_configuration, ranks: Int, ranksOnDevice: Int, deviceMultiprocessors: Int
) throws -> GroupConfiguration {
    let shape = try LayerShape(
        hidden: Int(given.hidden), intermediate: 128, experts: Int(given.experts), topK: Int(given.top_k),
        ranks: ranks, maxTokens: Int(given.max_tokens))
    try CommunicationBuffer.require(shape)
    var result = GroupConfiguration(
        shape: shape, format: try Choices.format(given.format), deviceMultiprocessors: deviceMultiprocessors,
        ranksOnDevice: ranksOnDevice, blockM: given.block_m == 0 ? 64 : Int(given.block_m),
        communicationMultiprocessors: 0, waitLimit: Choices.waitLimit(given.wait_seconds),
        link: try Choices.link(
            bytesPerSecond: given.link_bytes_per_second, latencySeconds: given.link_latency_seconds))
    result.scaleFormat = try Choices.scales(given.scales)
    if given.multiprocessors > 0 { result.multiprocessors = Int(given.multiprocessors) }
    if try Choices.flag("mask", given.mask) { result.onFailure = .mask }
    return result
}
