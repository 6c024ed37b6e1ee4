import ExpertKernels

/// Why a group of ranks refuses to work, or could not finish.
public enum GroupError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The ranks' kernels could not all be resident, and would wait for each other forever.
    case tooFewMultiprocessors(ranks: Int, perRank: Int, device: Int)
    /// A number of ranks of one device that the group does not have.
    case ranksOnDevice(Int, ranks: Int)
    /// The split leaves nothing to compute or nothing to communicate with.
    case splitImpossible(communication: Int, perRank: Int)
    /// Block height that the kernels do not have.
    case blockHeight(Int)
    /// Seconds out of range.
    case waitLimit(Double)
    /// The kernel does not fit a multiprocessor of this device.
    case kernelDoesNotFit(kernel: String, sharedBytes: Int, available: Int)
    /// The number of ranks' inputs differs from the number of ranks.
    case inputCount(given: Int, ranks: Int)
    /// More tokens than the group was made for.
    case tooManyTokens(rank: Int, tokens: Int, maxTokens: Int)
    /// An array has the wrong number of elements.
    case elementCount(rank: Int, array: String, given: Int, expected: Int)
    /// A top-k index that is neither -1 nor an expert.
    case expertIndex(rank: Int, token: Int, choice: Int, value: Int64, experts: Int)
    /// A token that names an expert twice.
    case repeatedExpert(rank: Int, token: Int, expert: Int64)
    /// More ranks than the device runs side by side: streams that share a hardware queue wait for each other.
    case tooManyRanks(ranks: Int, limit: Int)
    /// A transport for another number of ranks than the shape has.
    case rankCount(transport: Int, shape: Int)
    /// Ranks that are not all of one group, in order and with one configuration.
    case notAllRanks([Int])
    /// A rank of another group.
    case foreignRank(Int)
    /// A rank whose window is of another size than this one's.
    case windowSize(rank: Int, bytes: Int, expected: Int)
    /// A step of a rank that does not know the others yet.
    case notConnected(rank: Int)
    /// A captured step of another layer.
    case foreignStep
    /// The value at which a block counts as complete.
    case threshold(Int)
    /// A buffer that is too small for what is read from it.
    case bufferTooSmall(String, bytes: Int, needed: Int)
    /// A buffer whose address is not aligned as kernels need it.
    case misaligned(String, address: UInt64, alignment: Int)
    /// An overlapped combine on the stream of the kernel that it waits for.
    case overlapOnComputeStream(rank: Int)
    /// A block of rows that the rank does not have.
    case noSuchBlock(rank: Int, expert: Int, block: Int)
    /// A weight scale that is not finite.
    case weightScale(matrix: String, index: Int)
    /// The scale of a row of weights that is not finite.
    case channelScale(matrix: String, row: Int)
    /// Weights with a scale for each row in a group that was not made for them.
    case channelScalesUnexpected(matrix: String)
    /// A routing weight or hidden state that is NaN or infinite.
    case notFinite(rank: Int, array: String, index: Int)
    /// Weights of another shape than the layer's.
    case weightShape(matrix: String, rows: Int, columns: Int, expectedRows: Int, expectedColumns: Int)
    /// Two Batch Overlap on a group without memory for it.
    case noHalves
    /// Arrival statistics of a group that does not keep them.
    case noArrivalStatistics
    /// Rows of experts were asked for after a step that discarded them.
    case rowsDiscarded
    /// Shared experts of another size than the group was made for.
    case sharedExperts(intermediate: Int, expected: Int, made: Int)
    /// A gate on the shared expert in a shape without shared experts.
    case gateWithoutSharedExpert
    /// A step without weights of the shared expert, which has a gate.
    case sharedWeightsMissing(rank: Int)
    /// A step with weights of a shared expert that has no gate.
    case sharedWeightsUnread(rank: Int)
    /// The layer computes with FP8 activations only.
    case formatUnsupported(DispatchFormat)
    /// The layer's GEMMs read scales in Float32 only.
    case scaleFormatUnsupported(ScaleFormat)
    /// An activation whose limits or factor are not positive, or whose numbers are not finite.
    case activation(Activation)
    /// Exponents of scales where rows have none.
    case packedScalesWithoutFloat8(DispatchFormat)
    /// Exponents of scales that do not fill whole words.
    case packedScales(hidden: Int)
    /// Dispatch, receive and combine of a step were called out of order.
    case outOfOrder(call: String, expected: String)
    /// A buffer for dispatch and combine with shared experts.
    case sharedExpertsInBuffer(Int)
    /// A block height that the buffer was not made for.
    case otherBlockHeight(given: Int, made: Int)
    /// The rows of a dispatch have been overwritten, or there was no such dispatch.
    case superseded(turn: UInt64, latest: UInt64?)
    /// An operand that a call needs, at address 0.
    case missingOperand(String)
    /// More multiprocessors than the device has, or none.
    case multiprocessors(Int, most: Int)
    /// The first GEMM on a stream that is being captured, when no memory is left that was set aside for that.
    case scratchDuringCapture
    /// Masks together with a modelled link.
    case maskWithLink
    /// Masks of a group that has none.
    case noMasks
    /// The rank itself, or a number that no rank of the group has.
    case notAPeer(Int, of: Int, ranks: Int)
    /// Step numbers of a rank with another configuration.
    case stepCounters(given: Int, expected: Int)
    /// A network together with a modelled link.
    case networkWithLink
    /// A modelled card before a network engine.
    case modelOfEngine
    /// A modelled card of ranks that do not share a GPU.
    case modelAcrossGPUs(rank: Int, peer: Int)
    /// Nodes of more ranks than there are, or of none.
    case ranksPerNode(Int, ranks: Int)
    /// A network whose queues hold fewer operations than a rank may issue to a dead one.
    case networkQueue(Int, needed: Int)
    /// A network engine on a GPU.
    case noNetworkEngine
    /// A buffer for dispatch and combine of a group with a network.
    case networkInBuffer
    /// A wait on memory passed its deadline: the first by time, and the later ones of other ranks. Reset the group
    /// before its next step.
    case waitTimedOut(WaitFault, seconds: Double, others: [WaitFault])
    /// A former step failed and the group was not reset.
    case needsReset

    /// The rank that another one waited for in vain; nil for errors of another kind, and where a rank waited for its
    /// own kernels.
    public var waitedFor: Int? {
        guard case .waitTimedOut(let fault, _, _) = self, fault.source != fault.rank else { return nil }
        return fault.source
    }

    /// One sentence with value, limit and remedy.
    public var description: String {
        switch self {
        case .tooFewMultiprocessors(let ranks, let perRank, let device):
            return "\(ranks) ranks with \(perRank) multiprocessors each cannot all be resident on a device with "
                + "\(device); each rank needs at least 2, so use at most \(device / 2) ranks"
        case .ranksOnDevice(let value, let ranks):
            return "\(value) ranks on one device are not possible in a group of \(ranks); choose 1 to \(ranks)"
        case .splitImpossible(let communication, let perRank):
            return "\(communication) communication multiprocessors of \(perRank) per rank; "
                + "choose 0 to \(perRank - 1) so that some are left to compute"
        case .blockHeight(let height):
            return "a block of \(height) rows is not supported; choose 16, 32, 64 or 128"
        case .waitLimit(let seconds):
            return "a wait limit of \(seconds) s is out of range; choose more than 0 and at most 3600 s"
        case .kernelDoesNotFit(let kernel, let sharedBytes, let available):
            return
                "kernel \(kernel) needs \(sharedBytes) bytes of shared memory and a block can have \(available) here; "
                + "choose a smaller hidden size or block height"
        case .inputCount(let given, let ranks):
            return "\(given) inputs for \(ranks) ranks; give one for each rank, empty ones included"
        case .tooManyTokens(let rank, let tokens, let maxTokens):
            return "rank \(rank) brings \(tokens) tokens and the group was made for \(maxTokens); "
                + "make it with a larger maxTokens"
        case .elementCount(let rank, let array, let given, let expected):
            return "\(array) of rank \(rank) has \(given) elements, expected \(expected)"
        case .expertIndex(let rank, let token, let choice, let value, let experts):
            return "choice \(choice) of token \(token) on rank \(rank) is expert \(value); "
                + "experts are 0 to \(experts - 1), and -1 selects nothing"
        case .repeatedExpert(let rank, let token, let expert):
            return
                "token \(token) on rank \(rank) chooses expert \(expert) twice; each choice must be another expert "
                + "or -1"
        case .tooManyRanks(let ranks, let limit):
            return
                "\(ranks) ranks on one GPU; at most \(limit) have streams that do not wait for each other, so use fewer"
        case .rankCount(let transport, let shape):
            return "the transport is one of \(transport) ranks and the shape of \(shape); make both for the same number"
        case .notAllRanks(let ranks):
            return "ranks \(ranks) are not all ranks of one group; give each once, in order, with one configuration"
        case .foreignRank(let rank):
            return "rank \(rank) belongs to another group; use one of this group's ranks"
        case .windowSize(let rank, let bytes, let expected):
            return "the window of rank \(rank) has \(bytes) bytes, and this rank's \(expected); "
                + "make all ranks with the same configuration"
        case .notConnected(let rank):
            return "rank \(rank) has not found the other ranks yet; call connect() first"
        case .foreignStep:
            return "the captured step belongs to another layer; replay it with the layer that captured it"
        case .threshold(let value):
            return "a threshold of \(value) is out of range; choose the number of adds per block, 1 to \(UInt32.max)"
        case .bufferTooSmall(let name, let bytes, let needed):
            return "\(name) has \(bytes) bytes and \(needed) are read from it; allocate more"
        case .misaligned(let name, let address, let alignment):
            return "\(name) is at address 0x\(String(address, radix: 16)); put it at a multiple of \(alignment) bytes"
        case .overlapOnComputeStream(let rank):
            return
                "the overlapped combine of rank \(rank) is on its compute stream, behind the GEMM it should run beside; "
                + "use the communication stream"
        case .noSuchBlock(let rank, let expert, let block):
            return "there is no block \(block) of local expert \(expert) on rank \(rank); name one that the group has"
        case .weightScale(let matrix, let index):
            return "scale \(index) of \(matrix) is not a finite number; check the checkpoint"
        case .channelScale(let matrix, let row):
            return "the scale of row \(row) of \(matrix) is not a finite number; check the checkpoint"
        case .channelScalesUnexpected(let matrix):
            return
                "\(matrix) has a scale for each row and the group was made for scales of blocks alone; set channelScales "
                + "in its configuration"
        case .notFinite(let rank, let array, let index):
            return "element \(index) of \(array) of rank \(rank) is not a finite number; check what produced it"
        case .weightShape(let matrix, let rows, let columns, let expectedRows, let expectedColumns):
            return
                "\(matrix) is \(rows) x \(columns), expected \(expectedRows) x \(expectedColumns) for this layer shape"
        case .noHalves:
            return "the group was made without memory for two half batches; set twoBatch in its configuration"
        case .noArrivalStatistics:
            return "the group was made without arrival statistics; set notesArrivals in its configuration"
        case .rowsDiscarded:
            return
                "the last step discarded its experts' rows when they had been added up; run it with step(_:overlap:), or enqueue "
                + "it with keepingRows, in another mode than twoBatch"
        case .sharedExperts(let intermediate, let expected, let made):
            return
                "a shared expert with \(intermediate) channels takes \(expected) places of a routed expert's size, and the "
                + "shape has sharedExperts \(made); make the group with \(expected)"
        case .gateWithoutSharedExpert:
            return "hasSharedGate is set, and the shape has sharedExperts 0; "
                + "make the shape with the shared expert, or leave hasSharedGate out"
        case .sharedWeightsMissing(let rank):
            return "the shared expert has a gate, and the step of rank \(rank) has no shared weights; "
                + "give one for each token"
        case .sharedWeightsUnread(let rank):
            return "the step of rank \(rank) has shared weights, and nothing would read them; "
                + "set hasSharedGate in the configuration, or leave them out"
        case .formatUnsupported(let format):
            return "the MoE layer computes with FP8 activations and the group dispatches \(format); use .float8"
        case .scaleFormatUnsupported(let format):
            return
                "the MoE layer reads scales in Float32 and the group dispatches them as \(format); use .powerOfTwo or .float32"
        case .activation(let activation):
            return
                "the activation is \(activation); its limits and its factor must be finite and at least "
                + "\(Float.leastNormalMagnitude), and what is added to up finite"
        case .packedScalesWithoutFloat8(let format):
            return "rows that travel as \(format) have no scales whose exponents could be stored; dispatch .float8"
        case .packedScales(let hidden):
            return
                "a hidden size of \(hidden) has \(ScaleGroup.groups(hidden)) scales a row, and exponents are stored four in a word; "
                + "use .powerOfTwo or a multiple of 512"
        case .outOfOrder(let call, let expected):
            return "\(call) was called where \(expected) must come next; a step is dispatch, receive, combine, receive"
        case .waitTimedOut(let fault, let seconds, let others):
            let also = others.map { "; then \($0)" }.joined()
            return
                "\(fault) within \(seconds) s\(also); reset the group, and raise the wait limit if the device is only slow"
        case .sharedExpertsInBuffer(let count):
            return "a buffer has no room for \(count) shared experts; compute them beside it, with sharedExperts 0"
        case .otherBlockHeight(let given, let made):
            return "signals of \(given) rows each are given to a buffer for \(made); make the buffer for \(given)"
        case .superseded(let turn, let latest):
            return
                "what dispatch \(turn) received is gone (\(latest.map { "its place holds that of dispatch \($0)" } ?? "its place is empty")); "
                + "use what a dispatch received before the next but one, and before a reset or barrier"
        case .missingOperand(let name):
            return "\(name) are at address 0; pass where they are in memory of the device"
        case .multiprocessors(let count, let most):
            return "\(count) multiprocessors are not to be had; choose 1 to \(most)"
        case .scratchDuringCapture:
            return
                "the first GEMM on a stream needs memory, which cannot be allocated while the stream is being captured; "
                + "run a GEMM on it once before the capture"
        case .maskWithLink:
            return
                "a modelled link and onFailure .mask do not go together: a row of a link counts as arrived when its "
                + "source's transfers allow it, which says nothing of a source that has died; leave out the link or use .stop"
        case .networkWithLink:
            return
                "a modelled link and a network do not go together: rows that a network brings cross no modelled link; leave "
                + "out one of them"
        case .modelOfEngine:
            return
                "a modelled network card and an engine do not go together: an engine takes a time of its own; leave out the "
                + "model, or use the loopback adapter"
        case .modelAcrossGPUs(let rank, let peer):
            return
                "ranks \(rank) and \(peer) are on GPUs of their own, and a modelled network card goes by the clock of one; leave out "
                + "the model, or let all ranks share a GPU"
        case .ranksPerNode(let count, let ranks):
            return "nodes of \(count) ranks in a group of \(ranks); choose 1 to \(ranks)"
        case .networkQueue(let depth, let needed):
            return
                "the network's queues hold \(depth) operations, and this layer may ask \(needed) of a rank that has died "
                + "before it is given up; a full queue would hold up all kernels: make the queues deeper, or maxTokens "
                + "smaller"
        case .noNetworkEngine:
            return
                "a GPU has no network engine of its own, as the simulator has; start NVSHMEM (NVSHMEMEngine, --transport nvshmem), "
                + "or use the loopback adapter, which takes the same way by loads and stores"
        case .networkInBuffer:
            return
                "a communication buffer reaches all ranks by loads and stores; leave out the network, or use a layer"
        case .noMasks:
            return "the group was made without masks of ranks; set onFailure to .mask in its configuration"
        case .notAPeer(let peer, let rank, let ranks):
            return
                "rank \(peer) is no other rank for rank \(rank) of \(ranks); name one of 0 to \(ranks - 1) but \(rank)"
        case .stepCounters(let given, let expected):
            return
                "\(given) step numbers for a rank with \(expected); take them from a rank with the same configuration"
        case .needsReset:
            return "an earlier step of this group failed, so its flags cannot be trusted; call reset() first"
        }
    }
}
