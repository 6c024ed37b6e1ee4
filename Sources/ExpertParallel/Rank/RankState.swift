import Accelerator
import ExpertKernels
import KernelLanguage
import Transport

/// The exchanges of a rank, which connect, fail and start anew together.
final class RankState {
    let device: any Device
    let configuration: GroupConfiguration
    let transport: any Transport
    let records: RankRecords
    let exchanges: [TokenExchange]
    /// Buffers that are zero before the first step, besides those of exchanges and records.
    private let further: [DeviceBuffer]
    private var isConnected = false
    /// Loaded on first use.
    private var maskStatus: LoadedKernel?
    /// Made by `prepareToLook`.
    private var watch: FaultWatch?

    init(
        _ device: any Device, _ configuration: GroupConfiguration, _ transport: any Transport, records: RankRecords,
        exchanges: [TokenExchange], further: [DeviceBuffer] = []
    ) {
        (self.device, self.configuration, self.transport) = (device, configuration, transport)
        (self.records, self.exchanges, self.further) = (records, exchanges, further)
    }

    /// Puts everything into the state before the first step, and lets other ranks write to the windows.
    func offer(clearingOn stream: DeviceStream) throws {
        try clear(on: stream)
        for exchange in exchanges { try exchange.offer() }
    }

    /// See ``ExpertRank/connect(without:within:)``.
    func connect(without missing: Set<Int>, within seconds: Double) throws {
        if isConnected { return }
        if !missing.isEmpty, configuration.onFailure != .mask { throw GroupError.noMasks }
        for exchange in exchanges { try exchange.connect(without: missing, within: seconds) }
        isConnected = true
    }

    // MARK: Failures

    /// The wait that has failed, if one has, when all work has been waited for.
    func fault() throws -> WaitFault? {
        var fault = try records.fault(device, rank: transport.rank, configuration.shape)
        if fault == nil, configuration.onFailure == .stop {
            fault = try records.firstMask(device, rank: transport.rank, configuration.shape)
        }
        if fault != nil { fail() }
        return fault
    }

    /// Allocates the memory of `seesFault`, which an engine could not do during a capture.
    func prepareToLook() throws {
        if watch != nil { return }
        let masks = configuration.onFailure == .stop ? records.masks : nil
        watch = try FaultWatch(device, [records.fault.buffer] + (masks.map { [$0.records.buffer] } ?? []))
    }

    /// Whether a failed wait shows in the copies of the fault records; does not wait.
    func seesFault() throws -> Bool {
        try prepareToLook()
        return try watch?.sees() ?? false
    }

    /// Enqueues a kernel that writes which ranks are masked; see ``CommunicationBuffer/noteMasks(at:on:)``.
    func noteMasks(at status: UInt64, on stream: DeviceStream) throws {
        let masks = try requireMasks()
        let ranks = configuration.shape.ranks
        let kernel = try maskStatus ?? device.loadFitting(maskStatusKernel(ranks: ranks))
        maskStatus = kernel
        let parameters = MaskStatusParameters(
            masks: masks.records.parameter, status: MemoryParameter(address: status))
        try device.launch(
            kernel, blocks: 1, arguments: KernelArguments([parameters]).ordered(for: kernel.kernel),
            dependentLaunch: false, on: stream)
    }

    /// See ``ExpertRank/reset(within:)``.
    func reset(within seconds: Double, clearingOn stream: DeviceStream) throws {
        // No rank may write to this rank's window while it is cleared, nor before all have been.
        try failing {
            try stop()
            try transport.barrier(within: seconds)
            try clear(on: stream)
            try transport.barrier(within: seconds)
        }
        watch?.forget()
        restart()
    }

    /// Waits for the device, whether or not its work has failed: some may be on streams of the caller's.
    func stop() throws {
        try device.synchronize()
        try transport.settle()
    }

    /// Puts all flags, counters and records into the state before the first step. Nothing may be running on any rank.
    func clear(on stream: DeviceStream) throws {
        for buffer in records.state + exchanges.flatMap(\.state) + further {
            try device.fill(buffer, with: 0, on: stream)
        }
        try device.synchronize(stream)
    }

    /// The rank may step again, when all ranks have been cleared.
    func restart() { for exchange in exchanges { exchange.steps.reset() } }

    /// Whether a step has failed.
    var hasFailed: Bool { exchanges.contains { $0.steps.failed } }

    /// Marks the rank's step as failed.
    func fail() { for exchange in exchanges { exchange.steps.fail() } }

    /// Marks the rank's step as failed when `body` throws.
    func failing<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            fail()
            throw error
        }
    }

    /// Refuses to go on after a failure, or in the middle of a step.
    func requireIdle(before call: String) throws(GroupError) {
        for exchange in exchanges { try exchange.steps.requireIdle(before: call) }
    }

    // MARK: Masks

    /// See ``ExpertRank/maskedRanks()``.
    func maskedRanks() throws -> [MaskedRank] {
        let records = try requireMasks().records
        let words = try device.read(UInt64.self, count: records.count, from: records.buffer)
        return (0..<configuration.shape.ranks).compactMap { rank in
            let record = Array(words[rank * WaitFault.words..<(rank + 1) * WaitFault.words])
            if record[0] == 0 { return nil }
            let fault = WaitFault(record: record, rank: transport.rank, shape: configuration.shape)
            return MaskedRank(
                rank: rank,
                cause: record[0] == RankMasks.Origin.host.rawValue ? .host : fault.map { .wait($0) } ?? .host)
        }
    }

    /// See ``ExpertRank/mask(_:)``.
    func mask(_ rank: Int) throws { try setMask(of: rank, .host) }

    /// See ``ExpertRank/unmask(_:)``.
    func unmask(_ rank: Int) throws {
        try requirePeer(rank)
        _ = try requireMasks()
        for exchange in exchanges { try exchange.forget(rank) }
        try setMask(of: rank, nil)
    }

    private func setMask(of rank: Int, _ origin: RankMasks.Origin?) throws {
        let masks = try requireMasks()
        try requirePeer(rank)
        var record = [UInt64](repeating: 0, count: WaitFault.words)
        record[0] = origin?.rawValue ?? 0
        try device.write(record, to: masks.record(of: rank))
    }

    func requireMasks() throws(GroupError) -> RankMaskMemory {
        guard configuration.onFailure == .mask, let masks = records.masks else { throw .noMasks }
        return masks
    }

    func requirePeer(_ rank: Int) throws(GroupError) {
        guard (0..<configuration.shape.ranks).contains(rank), rank != transport.rank else {
            throw .notAPeer(rank, of: transport.rank, ranks: configuration.shape.ranks)
        }
    }
}
