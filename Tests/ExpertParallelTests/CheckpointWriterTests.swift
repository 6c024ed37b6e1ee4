import ExpertParallel
import KernelLanguage
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

@Suite("Checkpoints: writing")
struct CheckpointWriterTests {
    private let directory: TemporaryDirectory
    private var place: String { directory.path + "/above/checkpoint" }
    private let model = ModelConfiguration(
        hidden: 256, intermediate: 128, experts: 6, topK: 2, groups: 3, groupsKept: 2)

    init() throws {
        directory = try TemporaryDirectory()
    }

    private func deviation(_ matrix: QuantisedMatrix) -> Double {
        var squares = 0.0
        for row in 0..<matrix.rows {
            for column in 0..<matrix.columns { squares += Double(matrix[row, column]) * Double(matrix[row, column]) }
        }
        return (squares / Double(matrix.rows * matrix.columns)).squareRoot()
    }

    @Test("A written checkpoint is read back", arguments: CheckpointWriter.WeightType.allCases)
    func roundTrip(_ type: CheckpointWriter.WeightType) throws {
        try CheckpointWriter(configuration: model, layer: 5, shards: 3, weightType: type).write(to: place)
        let layer = try MoELayerCheckpoint(directory: place, layer: 5)
        var wanted = model
        (wanted.layers, wanted.expertLayers) = (6, [5])
        wanted.quantisation = type == .float8 ? .float8Blocks : .none
        #expect(layer.configuration == wanted)
        let router = try layer.router()
        #expect(router.weight.count == 6 * 256 && router.correctionBias.count == 6)
        #expect(router.correctionBias.contains { $0 != 0 })
        for expert in 0..<6 {
            let weights = try layer.expert(expert)
            #expect(weights.gate.rows == 128 && weights.down.rows == 256)
            #expect(abs(deviation(weights.gate) * 16 - 1) < 0.25, "\(deviation(weights.gate))")
            #expect(abs(deviation(weights.down) * 128.0.squareRoot() - 1) < 0.25)
            #expect(weights.gate != weights.up)
            #expect(weights.gate.values.reduce(0) { $0 + Int($1 >> 7) } > 15_000)
        }
        #expect(try layer.sharedExpert() != nil)
        #expect(try layer.expert(0) != layer.expert(1))
        let summary = try CheckpointSummary.inspect(directory: place)
        #expect(summary.shards.count == 3 && summary.expertLayers == [5])
        #expect(summary.tensors == 2 + 7 * (type == .float8 ? 6 : 3))
        let largest = summary.shards.map(\.bytes).max() ?? 0
        #expect(largest < summary.bytes / 2)
    }

    @Test("Every family is written and read back", arguments: ModelConfiguration.families)
    func families(_ name: String) throws {
        let model = try #require(
            ModelConfiguration(family: name, hidden: 256, intermediate: 128, experts: 4, topK: 2))
        try CheckpointWriter(configuration: model, layer: 0, shards: 2).write(to: place)
        let layer = try MoELayerCheckpoint(describing: place, layer: 0)
        #expect(layer.configuration.family == name && layer.configuration.expertLayers == [0])
        var wanted = model
        (wanted.layers, wanted.expertLayers) = (1, [0])
        #expect(layer.configuration == wanted)
        #expect(try layer.expert(3).gate.rows == 128 && layer.router().weight.count == 4 * 256)
        let summary = try CheckpointSummary.inspect(directory: place)
        #expect(summary.expertLayers == [0] && summary.absentLayers.isEmpty)
        // Three matrices of two experts, and of the shared one, with a scale of four bytes for each 128 x 128.
        let experts = 2 + (layer.configuration.sharedIntermediate > 0 ? 1 : 0)
        #expect(summary.bytesPerLayer(ranks: 2) == experts * 3 * (256 * 128 + 2 * 4))
        #expect(summary.bytesPerLayer(ranks: 3) == nil)
    }

    @Test("Seed and name decide the weights; the number of files does not")
    func deterministic() throws {
        let other = directory.path + "/other"
        try CheckpointWriter(configuration: model, seed: 7, shards: 1).write(to: place)
        try CheckpointWriter(configuration: model, seed: 7, shards: 44).write(to: other)
        let first = try MoELayerCheckpoint(directory: place, layer: 3)
        let second = try MoELayerCheckpoint(directory: other, layer: 3)
        for expert in 0..<6 { #expect(try first.expert(expert) == second.expert(expert)) }
        #expect(try first.router() == second.router())
        try CheckpointWriter(configuration: model, seed: 8, overwrites: true).write(to: other)
        #expect(try MoELayerCheckpoint(directory: other, layer: 3).expert(0) != first.expert(0))
        let names = try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted()
        #expect(names == ["above", "other"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: other).count == 6)
    }

    @Test("The random stream is SplitMix64")
    func stream() {
        var stream = RandomStream(seed: 1_234_567)
        #expect(stream.next() == 6_457_827_717_110_365_317)
        #expect(stream.next() == 3_203_168_211_198_807_973)
        var sum = 0.0
        var squares = 0.0
        for _ in 0..<100_000 {
            let value = Double(stream.normal())
            sum += value
            squares += value * value
        }
        #expect(abs(sum / 1e5) < 0.02)
        #expect(abs(squares / 1e5 - 1) < 0.02)
    }

    @Test("Places that are taken are left alone")
    func taken() throws {
        let writer = CheckpointWriter(configuration: model)
        try writer.write(to: place)
        #expect(throws: CheckpointError.checkpointExists(path: place)) { try writer.write(to: place + "/") }
        var overwriting = writer
        overwriting.overwrites = true
        try directory.write([1], to: "above/checkpoint/notes.txt")
        #expect(throws: CheckpointError.notACheckpoint(path: place, entry: "notes.txt")) {
            try overwriting.write(to: place)
        }
        try directory.write([1], to: "file")
        #expect(throws: CheckpointError.notACheckpoint(path: directory.path + "/file", entry: "a file of that name")) {
            try overwriting.write(to: directory.path + "/file")
        }
        for path in [directory.path + "/file/below", "/proc/absent/checkpoint"] {
            do throws(CheckpointError) {
                try writer.write(to: path)
                Issue.record("\(path) was written")
            } catch {
                guard case .writeFailed = error else { throw error }
            }
        }
        let empty = directory.path + "/empty"
        try FileManager.default.createDirectory(atPath: empty, withIntermediateDirectories: false)
        try writer.write(to: empty)
        #expect(try CheckpointSummary.inspect(directory: empty).tensors == 44)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted() == ["above", "empty", "file"])
    }

    @Test("Options out of range are refused before anything is written")
    func options() throws {
        func expect(_ change: (inout CheckpointWriter) -> Void, _ isRight: (CheckpointError) -> Bool) {
            var writer = CheckpointWriter(configuration: model)
            change(&writer)
            do throws(CheckpointError) {
                try writer.write(to: place)
                Issue.record("the checkpoint was written")
            } catch {
                #expect(isRight(error), "\(error)")
            }
        }
        for shards in [0, -1, 45, .max] {
            expect({ $0.shards = shards }) {
                $0
                    == .optionInvalid(
                        option: "The number of tensor files", value: shards, expected: "between 1 and 44")
            }
        }
        expect({ $0.layer = -1 }) {
            $0
                == .optionInvalid(
                    option: "The layer", value: -1, expected: "between 0 and 10000")
        }
        expect({ $0.configuration.hidden = 204 }) {
            if case .dimensionNotMultiple = $0 { true } else { false }
        }
        expect({ $0.configuration.groups = 4 }) {
            if case .configurationInvalid(_, "n_group", "4", _) = $0 { true } else { false }
        }
        #expect(!FileManager.default.fileExists(atPath: directory.path + "/above"))
    }
}
