import Accelerator

/// How a combine send runs beside the GEMM that produces its rows.
public struct CombineOverlap: Sendable {
    /// UInt32 `[rankExperts, blocks]`, one add by the producer for each finished tile of a block. Each step starts at
    /// zero: the dispatch send clears the rank's own `signals`, any other buffer is the caller's to clear.
    public var signals: DeviceBuffer
    /// Rows per signal; must be the rank's.
    public var blockM: Int
    /// The signal's value at which a block is complete.
    public var threshold: Int
    /// Multiprocessors that the send has to itself beside the producer; with 0 it comes behind the producer on the
    /// compute stream, and takes over multiprocessors as the producer's blocks end.
    public var multiprocessors: Int

    /// An overlap as given.
    public init(signals: DeviceBuffer, blockM: Int, threshold: Int, multiprocessors: Int) {
        self.signals = signals
        self.blockM = blockM
        self.threshold = threshold
        self.multiprocessors = multiprocessors
    }

    /// Checks it against a rank's configuration.
    func validate(_ configuration: GroupConfiguration) throws(GroupError) {
        guard blockM == configuration.blockM else { throw .blockHeight(blockM) }
        guard (1...Int(UInt32.max)).contains(threshold) else { throw .threshold(threshold) }
        guard signals.bytes >= configuration.signalCount * 4 else {
            throw .bufferTooSmall(signals.label, bytes: signals.bytes, needed: configuration.signalCount * 4)
        }
        guard (0..<configuration.multiprocessors).contains(multiprocessors) else {
            throw .splitImpossible(communication: multiprocessors, perRank: configuration.multiprocessors)
        }
    }
}
