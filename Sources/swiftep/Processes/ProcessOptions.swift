import ExpertKernels
import ExpertParallel

/// The options of commands whose ranks can be in processes of their own.
enum ProcessOptions {
    static let processes = Option<Int>.integer(
        "processes", in: 1...256,
        help:
            "Shares the ranks among this many processes of this machine, which the command starts and ends; each takes "
            + "the GPU of its number, and those that are too many share them. With 1 all ranks are in this process, "
            + "also under torchrun, srun and mpirun, whose processes otherwise share the ranks.")

    static let onFailure = Option<FailurePolicy>(
        "on-failure", "stop|mask",
        help:
            "What becomes of the others when a rank dies or is late. stop: all end, with one error that names it. mask: "
            + "they go on without its experts' terms, and the results say so. Default: stop.",
        expected: "stop or mask"
    ) { FailurePolicy(rawValue: $0) }

    /// Throws `UsageError` for options that do not go together.
    static func check(_ onFailure: FailurePolicy, link: LinkModel?) throws(UsageError) {
        if onFailure == .mask, link != nil {
            throw .conflict("--link models links between ranks that all live; leave it out, or --on-failure mask")
        }
    }

    static let restart = Option<Bool>.flag(
        "restart",
        help:
            "With --on-failure mask and --processes: starts a process that has died once more, and takes its ranks in "
            + "again when the others have done their steps without it.")

    static let loseRank = Option<LostRank>(
        "lose-rank", "RANK:HOW:PART",
        help:
            "Test hook: the process of that rank is lost in its first step, when PART of the time has passed that a step "
            + "takes. HOW is kill, stop, or seconds after which a stopped one goes on, such as 1.5s.",
        expected: "a rank, kill, stop or seconds, and a part from 0 to 10, such as 2:kill:0.35"
    ) { LostRank($0) }
}
