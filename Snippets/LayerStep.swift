//! A decode step of a small layer on two ranks, from a checkpoint with random weights, in three modes that must give
//! the same bits. With a GPU, `openDevice(.auto)` runs it there.

import Accelerator
import ExpertKernels
import ExpertParallel
import Foundation
import KernelLanguage

// snippet.hide
// A model of DeepSeek-V3's family, but small, and its layer 3 as a Hugging Face directory.
let directory = FileManager.default.temporaryDirectory.appending(path: "swiftep-\(UUID().uuidString)").path
defer { try? FileManager.default.removeItem(atPath: directory) }
try CheckpointWriter(
    configuration: ModelConfiguration(
        hidden: 256, intermediate: 128, experts: 8, topK: 2, sharedExperts: 1, groups: 1, groupsKept: 1)
).write(to: directory)

// snippet.show
let device = try openDevice(.simulator).device
let checkpoint = try MoELayerCheckpoint(directory: directory, layer: 3)
let model = checkpoint.configuration
let shape = try LayerShape(
    hidden: model.hidden, intermediate: model.intermediate, experts: model.experts, topK: model.topK,
    ranks: 2, maxTokens: 16, sharedExperts: model.sharedExperts)
var configuration = GroupConfiguration(shape: shape, deviceMultiprocessors: device.properties.multiprocessors)
configuration.scaleFormat = model.scaleFormat
let group = try RankGroup(device: device, configuration: configuration)
let layer = try MoELayerGroup(group, shared: checkpoint.sharedExpert(), weights: checkpoint.expert)

// Eight tokens for each rank, BF16 [tokens, hidden], and the experts that the router chooses for them.
let router = try Router(configuration: model.router(), weights: checkpoint.router(), hidden: model.hidden)
let inputs = try (0..<2).map { rank in
    let hiddenStates = (0..<8 * model.hidden).map { BFloat16(Float(($0 * 37 + rank * 11) % 64 - 32) / 16) }
    return RankInput(hiddenStates: hiddenStates, routing: try router.route(hiddenStates))
}
let outputs = try [OverlapMode.none, .singleBatch, .direct].map { try layer.step(inputs, overlap: $0) }
// snippet.hide

guard outputs.allSatisfy({ $0 == outputs[0] }) else { fatalError("modes differ") }
guard outputs[0].allSatisfy({ $0.contains { $0.bits & 0x7FFF != 0 } }) else { fatalError("an output is zero") }
print("\(device.properties.name): three modes, the same bits, \(outputs[0].map(\.count)) elements")
