import Accelerator
import ExpertKernels
import ExpertParallel

/// Limits of options that depend on the device and on other options. Values beyond them are refused before anything is
/// made or measured.
enum DeviceLimits {
    /// Simulated seconds after which `swiftep run` gives up a wait on the simulator; a step takes a small part of that.
    static let simulatedWaitLimit = 0.02
    /// Seconds after which a wait is given up elsewhere.
    static let waitLimit = 10.0

    /// Throws `UsageError` naming the option, its value and the limit.
    ///
    /// - Parameters:
    ///   - shape: The sizes that `arguments` or a checkpoint give.
    ///   - waitLimit: Seconds after which waits will be given up.
    ///   - weightSets: Sets of weights of each expert; 0 where no experts are computed.
    static func check(
        _ arguments: Arguments, _ shape: LayerShape, on processes: Processes, waitLimit: Double, weightSets: Int = 1
    ) throws(UsageError) {
        let device = processes.device.properties
        if device.kind == .simulator {
            try SimulatorMemory.check(shape, weightSets: weightSets, between: arguments[BenchOptions.between])
        }
        var configuration = GroupConfiguration(
            shape: shape, deviceMultiprocessors: device.multiprocessors, ranksOnDevice: processes.ranksOnDevice,
            blockM: arguments[RunCommand.blockM],
            communicationMultiprocessors: arguments[BenchOptions.communication], waitLimit: waitLimit,
            link: arguments[BenchOptions.link], network: try RankTransport.network(arguments))
        let modes = arguments[BenchOptions.overlap] ?? OverlapMode.allCases
        configuration.twoBatch = weightSets > 0 && modes.contains(.twoBatch)
        do throws(GroupError) {
            try configuration.validate(on: device)
        } catch {
            throw usageError(error)
        }
        if configuration.network?.model != nil, device.kind == .cuda, let devices = processes.group?.extent.devices,
            devices > 1
        {
            throw .conflict(
                "--\(NetworkOptions.link.name) goes by the clock of one GPU, and the processes have \(devices); let all ranks "
                    + "share one, or leave it out")
        }
        try checkArrival(configuration, waitLimit: waitLimit)
    }

    /// Throws `UsageError` if a row takes longer over a modelled link than a wait may; over a modelled card, if the
    /// last of the most rows does that a rank can have to send at once.
    private static func checkArrival(_ configuration: GroupConfiguration, waitLimit: Double) throws(UsageError) {
        let shape = configuration.shape
        guard shape.ranks > 1 else { return }
        let window = RankWindow(
            shape, configuration.format, link: configuration.link, network: configuration.network?.adapter)
        let models: [(option: String, model: String, microseconds: Double)] = [
            configuration.link.map {
                (
                    BenchOptions.link.name, "\($0)",
                    $0.microseconds(bytes: max(window.dispatchedBytes, window.combinedBytes))
                )
            },
            configuration.network?.model.map {
                (
                    NetworkOptions.link.name, "\($0)",
                    $0.microseconds(
                        messages: (shape.ranks - 1) * shape.maxTokens * min(shape.topK, shape.localExperts),
                        bytes: max(window.networkPacketBytes, shape.paddedHidden * 2))
                )
            },
        ].compactMap { $0 }
        for (option, model, microseconds) in models where microseconds / 1e6 >= waitLimit {
            throw .conflict(
                "--\(option) is \(model), so that a row can take \(microseconds / 1e6) s to arrive, and a wait for it is given "
                    + "up after \(waitLimit) s; choose a faster one, or a longer --wait-limit where the command has it")
        }
    }

    /// The error in terms of options.
    private static func usageError(_ error: GroupError) -> UsageError {
        switch error {
        case .tooFewMultiprocessors(let ranks, _, let device):
            .invalidValue(
                option: "--ranks", value: "\(ranks)",
                expected: "a whole number from 1 to \(device / 2) here, as each rank needs 2 of the device's \(device) "
                    + "multiprocessors")
        case .tooManyRanks(let ranks, let limit):
            .invalidValue(
                option: "--ranks", value: "\(ranks)",
                expected: "a whole number from 1 to \(limit) on one GPU, where more have no streams of their own")
        case .splitImpossible(let communication, let share):
            .invalidValue(
                option: "--communication-sms", value: "\(communication)",
                expected: "a whole number from 0 to \(share - 1) here, as a rank's share of the device is \(share) "
                    + "multiprocessors and some must be left to compute")
        default: .conflict("\(error)")
        }
    }
}
