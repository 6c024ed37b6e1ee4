import Accelerator
import ExpertKernels

/// How a group of ranks works: shape, format, and the split of each rank's multiprocessors.
public struct GroupConfiguration: Hashable, Sendable {
    /// Sizes of the layer.
    public var shape: LayerShape
    /// How rows travel. The MoE layer needs FP8.
    public var format: DispatchFormat
    /// How scales of FP8 rows are rounded and stored; in the MoE layer also how those of activations between the two
    /// GEMMs are rounded. The layer does not take `.exponents`, and checkpoints say which of the others theirs need,
    /// see `ModelConfiguration.scaleFormat`.
    public var scaleFormat = ScaleFormat.float32
    /// Whether the shared expert has a gate: then each token brings a weight for it, see `Routing.sharedWeights`, with
    /// which combine adds its rows. The shape must have shared experts.
    public var hasSharedGate = false
    /// Whether weights of the MoE layer may have a scale for each output channel, `QuantisedMatrix.channelScales`;
    /// without it such weights are refused. Checkpoints say whether theirs do, see
    /// `MoELayerCheckpoint.hasChannelScales`. Ranks need not have the same.
    public var channelScales = false
    /// The activation between the two GEMMs of an expert. Checkpoints say what theirs need, see
    /// `ModelConfiguration.activation(ofLayer:)`.
    public var activation = Activation.plain
    /// Rows of a row block, per tile of the GEMMs and per signal: 16, 32, 64 or 128.
    public var blockM: Int
    /// Ranks that share the device, this process's and those of others: 1 to the shape's ranks.
    public var ranksOnDevice: Int
    /// Multiprocessors that a rank may use; those of all ranks of the device together must fit it. At least 2.
    public var multiprocessors: Int
    /// How many of them communicate in overlapped phases; the others compute. 0 ..< `multiprocessors`; with 0 all
    /// compute, and communication kernels take them over as they come free.
    public var communicationMultiprocessors: Int
    /// Seconds after which a wait on memory is given up and reported; above 0, at most 3,600.
    public var waitLimit: Double
    /// A modelled link between each ordered pair of ranks; nil where rows arrive as fast as they are written.
    public var link: LinkModel?
    /// Whether memory is set aside for `OverlapMode.twoBatch`, whose halves have windows of their own.
    public var twoBatch = false
    /// Whether kernels note what they do and when, for `ExpertRank.takeTraceEvents`. It costs a little time.
    public var traced = false

    /// Whether layers set a part of the L2 aside for data that their kernels hand on to each other (`Device.keepInL2`),
    /// as long as they live and for all work on the device. Where they do not, results are the same, and the driver's
    /// own choice holds. Layers of 64 tokens and more gain up to 3 % by it; other work between them loses more.
    public var setsL2Aside = false

    /// The reaction of the group to a rank's wait for another that times out. All ranks have the same.
    public var onFailure = FailurePolicy.stop

    /// Whether ranks note their waits for each other and the rows that their experts receive, for
    /// `ExpertRank.takeArrivalStatistics`. It costs an add for each wait; without it, kernels have no code for it.
    public var notesArrivals = false

    /// How ranks of different nodes reach each other; nil where all ranks do so by loads and stores. All ranks have the
    /// same. Layers only.
    public var network: GroupNetwork?

    /// Rows of a row block of the whole batch, in the configuration of a half; see `ExpertShape.wholeBlockM`.
    private var wholeBlockM: Int?

    /// A configuration for a device with `deviceMultiprocessors`, which its ranks share evenly.
    ///
    /// - Parameters:
    ///   - shape: Sizes of the layer and of the group.
    ///   - format: What dispatch sends.
    ///   - deviceMultiprocessors: Multiprocessors of the device.
    ///   - ranksOnDevice: How many ranks share the device; all of the group's when nil.
    ///   - blockM: Rows of a row block; chosen for an even spread of tokens over experts when nil.
    ///   - communicationMultiprocessors: When nil, `usualSplit` with a link or a modelled network,
    ///     `splitBetweenDevices` where ranks have devices of their own, and else none: where rows are home as soon as
    ///     they are written, the end of the GEMM hides a send as well as a split does, and the GEMM keeps all
    ///     multiprocessors.
    ///   - waitLimit: Deadline of every wait on the device, in seconds.
    ///   - link: Models a link between ranks that share the device; nil for none.
    ///   - network: How ranks of different nodes reach each other; nil for loads and stores.
    public init(
        shape: LayerShape, format: DispatchFormat = .float8, deviceMultiprocessors: Int,
        ranksOnDevice: Int? = nil, blockM: Int? = nil, communicationMultiprocessors: Int? = nil, waitLimit: Double = 10,
        link: LinkModel? = nil, network: GroupNetwork? = nil
    ) {
        self.shape = shape
        self.format = format
        self.blockM = blockM ?? TileShape.m(meanRows: shape.meanRows)
        self.ranksOnDevice = ranksOnDevice ?? shape.ranks
        multiprocessors = deviceMultiprocessors / max(self.ranksOnDevice, 1)
        self.communicationMultiprocessors = communicationMultiprocessors ?? 0
        self.waitLimit = waitLimit
        self.link = link
        self.network = network
        guard communicationMultiprocessors == nil else { return }
        if link != nil || network?.model != nil {
            self.communicationMultiprocessors = usualSplit
        } else if network == nil, self.ranksOnDevice < shape.ranks {
            self.communicationMultiprocessors = splitBetweenDevices
        }
    }

    /// How many of a rank's multiprocessors send while the others run the down GEMM, by the rows that come home.
    ///
    /// The send must keep up with the GEMM and finish the last blocks soon after it; the GEMM is bound by memory and
    /// hardly slower with a few multiprocessors less. Measured on an H100 with 66 for each of two ranks and links of 50
    /// GB/s: 64 rows take 270 µs a step with 2, 272 with 4; 256 rows 303 with 2 and 287 with 4 to 18; 512 rows 325 with
    /// 4, 322 with 8 and 320 with 18; 1,024 rows 414 with 8 and 403 with 18. See docs/measurements.md.
    private var usualSplit: Int {
        let rows = shape.maxTokens * shape.topK
        let share = Self.sharesByRows.first { rows <= $0.rows }?.share ?? Self.largestShare
        return max(1, Int((Double(multiprocessors) * share).rounded()))
    }

    /// The same for ranks on devices of their own. Two H200s with NVLink and 16 experts each take 182.0 and 239.4 µs
    /// with 32 and 128 tokens and no split, 176.8 and 224.2 with 12 of 132 multiprocessors, and with 4 of them, which
    /// do not keep up with 128 tokens, 291.6. Fewer rows are sent as fast as the GEMM finishes them.
    private var splitBetweenDevices: Int {
        shape.maxTokens * shape.topK <= 128 ? 0 : max(1, multiprocessors / 11)
    }

    private static let sharesByRows = [(rows: 128, share: 4.0 / 132), (rows: 320, share: 16.0 / 132)]
    private static let largestShare = 36.0 / 132

    /// Multiprocessors that communicate beside the GEMMs where some must: `usualSplit` where the configuration has
    /// none.
    package var splitMultiprocessors: Int {
        communicationMultiprocessors > 0 ? communicationMultiprocessors : usualSplit
    }

    /// Bytes that the GEMMs of a rank keep in the L2 in a step of `maxTokens`, evenly spread over experts.
    var keptBytes: Int {
        let shared = [Int](repeating: shape.maxTokens, count: shape.sharedExperts)
        let routed = [Int](repeating: Int(shape.meanRows.rounded(.up)), count: shape.localExperts)
        return experts.keptBytes(counts: shared + routed, multiprocessors: multiprocessors)
    }

    /// The layout of the ranks' windows.
    var window: RankWindow {
        RankWindow(
            shape, format, link: link, notesArrivals: notesArrivals, masks: onFailure == .mask,
            scaleFormat: scaleFormat,
            network: network?.adapter, networkModel: network?.model)
    }
    /// The rank's experts.
    var experts: ExpertShape {
        var experts = shape.expertsOfRank(blockM: blockM, scaleFormat: scaleFormat, activation: activation)
        experts.channelScales = channelScales
        experts.wholeBlockM = wholeBlockM ?? blockM
        return experts
    }
    /// Thread blocks that unpack dispatched rows beside the GEMM that waits for them, whose multiprocessors they take.
    package var unpackBlocks: Int { min(8, max(1, multiprocessors / 4)) }

    /// Thread blocks of the GEMM that waits for rows itself. Unpacking thread blocks wait as well, on multiprocessors
    /// of their own; where ranks share a device, both together have no more than the rank's share.
    package var arrivingBlocks: Int {
        window.masks && ranksOnDevice > 1 ? multiprocessors - unpackBlocks : multiprocessors
    }

    /// Checks that all kernels that wait for each other can be resident at once on `deviceMultiprocessors`.
    ///
    /// Kernels of a rank that wait on memory of other ranks have together no more blocks than its share, so for each
    /// rank as many multiprocessors as its share are free of other ranks' waiting blocks. Waiting kernels of the rank
    /// itself either leave room for the kernel that they wait for (the combine send: `communicationMultiprocessors`
    /// beside the GEMM on the others), or come after it in the rank's own stream.
    package func validate(deviceMultiprocessors: Int) throws(GroupError) {
        guard (1...shape.ranks).contains(ranksOnDevice) else {
            throw .ranksOnDevice(ranksOnDevice, ranks: shape.ranks)
        }
        guard multiprocessors >= 2, multiprocessors <= deviceMultiprocessors / ranksOnDevice else {
            throw .tooFewMultiprocessors(
                ranks: ranksOnDevice, perRank: multiprocessors, device: deviceMultiprocessors)
        }
        guard (0..<multiprocessors).contains(communicationMultiprocessors) else {
            throw .splitImpossible(communication: communicationMultiprocessors, perRank: multiprocessors)
        }
        guard TileShape.heights.contains(blockM) else { throw .blockHeight(blockM) }
        guard waitLimit > 0, waitLimit <= 3_600 else { throw .waitLimit(waitLimit) }
        guard link == nil || onFailure == .stop else { throw .maskWithLink }
        guard !hasSharedGate || shape.sharedExperts > 0 else { throw .gateWithoutSharedExpert }
        guard activation.isValid else { throw .activation(activation) }
        if let network {
            guard link == nil else { throw .networkWithLink }
            guard network.model == nil || network.adapter == .loopback else { throw .modelOfEngine }
            guard (1...shape.ranks).contains(network.ranksPerNode) else {
                throw .ranksPerNode(network.ranksPerNode, ranks: shape.ranks)
            }
            if let depth = network.queueDepth, network.ranksPerNode < shape.ranks {
                let needed = GroupNetwork.queueEntries(shape, halves: twoBatch)
                guard depth >= needed else { throw .networkQueue(depth, needed: needed) }
            }
        }
        guard scaleFormat == .exponents else { return }
        guard format == .float8 else { throw .packedScalesWithoutFloat8(format) }
        guard shape.hiddenGroups % scaleFormat.groupsPerWord == 0 else { throw .packedScales(hidden: shape.hidden) }
    }

    /// Checks all that depends on the device, before any memory is allocated: residency as above, and hardware queues.
    package func validate(on device: DeviceProperties) throws(GroupError) {
        try validate(deviceMultiprocessors: device.multiprocessors)
        // Each rank has two streams, and a GPU 32 hardware queues.
        let limit = 16
        if device.kind == .cuda, ranksOnDevice > limit { throw .tooManyRanks(ranks: ranksOnDevice, limit: limit) }
    }

    /// The configuration of one of two halves of the batch.
    func half() throws -> GroupConfiguration {
        let half = try LayerShape(
            hidden: shape.hidden, intermediate: shape.intermediate, experts: shape.experts, topK: shape.topK,
            ranks: shape.ranks, maxTokens: (shape.maxTokens + 1) / 2, sharedExperts: shape.sharedExperts)
        var configuration = GroupConfiguration(
            shape: half, format: format, deviceMultiprocessors: multiprocessors * ranksOnDevice,
            ranksOnDevice: ranksOnDevice, communicationMultiprocessors: communicationMultiprocessors,
            waitLimit: waitLimit, link: link, network: network)
        configuration.scaleFormat = scaleFormat
        configuration.hasSharedGate = hasSharedGate
        configuration.channelScales = channelScales
        configuration.activation = activation
        configuration.traced = traced
        configuration.notesArrivals = notesArrivals
        configuration.setsL2Aside = setsL2Aside
        configuration.onFailure = onFailure
        configuration.wholeBlockM = blockM
        return configuration
    }
}

extension LayerShape {
    /// Mean rows of a routed expert with `maxTokens` on every rank.
    fileprivate var meanRows: Double { Double(maxTokens * topK * ranks) / Double(experts) }
}
