/// A mutation that no exploration can find, because the operation is not needed where it stands; with the reason.
package struct Redundancy: Sendable {
    /// The kind of kernel.
    package let kernel: String
    /// The mutation, without the line's number: file, operation and change.
    package let mutation: String
    /// Why nothing goes wrong.
    package let proof: String

    /// All entries.
    package static let all = others + waitsOfDispatchSend.map(flushOfDispatchSend)

    private static let others = [
        Redundancy(
            kernel: "dispatch send", mutation: "PacedLink.swift relaxed (gpu scope) atomic: block scope",
            proof:
                "In a dispatch one thread alone takes the link to a rank, and kernel boundaries order it with the combine "
                + "send, which takes it before and after. The combine send's blocks share the link by the same line, and "
                + "there the mutation is found."),
        Redundancy(
            kernel: "dispatch send", mutation: "ArrivalNotes.swift relaxed (gpu scope) atomic: block scope",
            proof:
                "In a dispatch send one block alone takes notes of row counts, and no other kernel adds to those words or "
                + "runs beside it in its rank's stream. Where all blocks take notes, the mutation is found."),
        Redundancy(
            kernel: "dispatch receive", mutation: "DispatchReceiveKernel.swift syncWarp: removed",
            proof:
                "No access depends on it: each lane has acquired the rows that it waited for, and the kernel's end passes "
                + "all of that on. The warp meets so that in a timeline its wait ends with its last row."),
        Redundancy(
            kernel: "gemm", mutation: "LoadPacing.swift mbarrierTryWait: not waiting",
            proof:
                "These waits are for stages that are not used yet. Before its use each stage is waited for by others, where "
                + "the mutation is found; those in LoadPacing.swift only spread loads over time."),
        Redundancy(
            kernel: "gemm", mutation: "GroupedGEMMKernel.swift syncWarp: removed",
            proof: "Nothing comes behind it. It stands there for what ptxas makes of the branch before."),
        Redundancy(
            kernel: "dispatch unpack", mutation: "ArrivalNotes.swift relaxed (gpu scope) atomic: block scope",
            proof:
                "One block alone notes how many rows came, as in a dispatch send. Where all blocks take notes, the "
                + "mutation is found."),
        Redundancy(
            kernel: "gemm", mutation: "AgreedCounts.swift acquire (gpu scope) load: relaxed",
            proof:
                "The GEMM takes a number of rows from it; each of these is acquired by a word of its own. In the unpack, which "
                + "reads what block 0 has written, the mutation is found."),
        Redundancy(
            kernel: "combine receive", mutation: "CombineReceiveKernel.swift relaxed (block scope) store: weak",
            proof:
                "Where ranks are masked, threads of a block store the same word only if a kernel of the own rank has failed. "
                + "Such faults are explored without masks, where the store is at another line, and there the mutation is "
                + "found."),
        Redundancy(
            kernel: "dispatch unpack", mutation: "Watchdog.swift relaxed (gpu scope) load: block scope",
            proof:
                "Where ranks are masked, a record is written when a wait for a kernel of the own rank fails. The send "
                + "before the unpack waits for nobody, and kernels beside the unpack wait on while it shows that it lives. "
                + "The weak load is found."),
        Redundancy(
            kernel: "rank barrier", mutation: "RankMasks.swift relaxed (system scope) store: gpu scope",
            proof:
                "Who waits at a barrier has published all that others wait for, so that nobody waits for it. In the dispatch "
                + "unpack, which stores by the same line, the mutation is found."),
        lastBeat("dispatch send"), beatTaken("dispatch send"), lastBeat("combine receive"), lastBeat("dispatch unpack"),
        beatTaken("combine receive"),
        beatTaken("dispatch unpack"),
        ownBeatOfSend("block scope"), ownBeatOfSend("weak"),
        failureWithMasks("block scope"), failureWithMasks("weak"),
        settledMask("dispatch send", "block scope"), settledMask("dispatch send", "weak"),
        Redundancy(
            kernel: "rank barrier", mutation: "Watchdog.swift relaxed (gpu scope) atomic: block scope",
            proof:
                "A barrier is one thread block, and kernels of its rank whose waits fail have ended before it. Where several "
                + "blocks fail, the mutation is found."),
        failureAtBarrier("block scope"), failureAtBarrier("weak"), maskAtBarrier("block scope"), maskAtBarrier("weak"),
        resetOfCounter("block scope"), resetOfCounter("weak"),
        Redundancy(
            kernel: "dispatch send", mutation: "NetworkAdapter.swift syncWarp: removed",
            proof:
                "Tokens are put behind a barrier of the block, which orders what all its lanes have staged. The warp meets for "
                + "callers whose lanes have written since; in the network packets, which have no such barrier, the mutation is "
                + "found."),
        Redundancy(
            kernel: "dispatch send", mutation: "NetworkAdapter.swift network add: set instead of added",
            proof:
                "A dispatch send adds to notices, where a word that is set to 1 says the same, and to its signs of life while it "
                + "flushes; the workloads have no rank that waits for one whose flush takes long. In the dispatch unpack, "
                + "which adds by the same line, the mutation is found."),
        signOfLife("combine receive"), signOfLife("dispatch unpack"),
        Redundancy(
            kernel: "combine receive", mutation: "NetworkAdapter.swift release (system scope) atomic: gpu scope",
            proof:
                "Another rank looks at the word if it waits for this one while this one waits for a third. The workloads have "
                + "such chains in the dispatch unpack, which adds by the same line, and there the mutation is found."),
        diagnosis("dispatch receive"), diagnosis("gemm"),
        diagnosedCount("gpu scope"), diagnosedCount("weak"),
    ]

    /// Operations of a dispatch send's waits that run only where the first look does not end the wait.
    private static let waitsOfDispatchSend = [
        "Patience.swift relaxed (system scope) load: gpu scope", "Patience.swift relaxed (system scope) load: weak",
        "RankMasks.swift relaxed (system scope) store: gpu scope",
        "RankMasks.swift relaxed (system scope) store: weak", "RankMasks.swift relaxed (system scope) load: weak",
        "Watchdog.swift polling loop: not waiting",
        "Watchdog.swift relaxed (gpu scope) load: block scope", "Watchdog.swift relaxed (gpu scope) load: weak",
        "Watchdog.swift relaxed (system scope) load: gpu scope", "Watchdog.swift relaxed (system scope) load: weak",
    ]

    private static func flushOfDispatchSend(_ mutation: String) -> Redundancy {
        Redundancy(
            kernel: "dispatch send", mutation: mutation,
            proof:
                "Where ranks are masked, a dispatch send waits for the flush over a network alone, and in all workloads that has "
                + "ended at its first look. That it waits for the flush at all is found, and so is this mutation in other "
                + "kernels, which wait by the same line.")
    }

    private static func lastBeat(_ kernel: String) -> Redundancy {
        Redundancy(
            kernel: kernel, mutation: "RankMasks.swift relaxed (system scope) load: gpu scope",
            proof:
                "Kernels of the own rank alone change the word that it looks at. Where waits last, the weak load is found."
        )
    }

    private static func beatTaken(_ kernel: String) -> Redundancy {
        Redundancy(
            kernel: kernel, mutation: "RankMasks.swift relaxed (system scope) atomic: gpu scope",
            proof:
                "Ranks that a network reaches are told by adds, and do not look at the word. Those of the same node do, if they "
                + "wait for this one while it waits for a third; the workloads have such chains without nodes of several ranks."
        )
    }

    private static func signOfLife(_ kernel: String) -> Redundancy {
        Redundancy(
            kernel: kernel, mutation: "NetworkAdapter.swift release (system scope) atomic: relaxed",
            proof:
                "Layers add to signs of life and notices alone, which carry nothing besides themselves. In the network packets, "
                + "whose answers are adds, the mutation is found.")
    }

    private static func diagnosis(_ kernel: String) -> Redundancy {
        Redundancy(
            kernel: kernel, mutation: "RowCounts.swift polling loop: not waiting",
            proof:
                "The loop only adds up row counts to name, in a fault's record, the rank whose row is missing. It waits for "
                + "nothing.")
    }

    private static func diagnosedCount(_ change: String) -> Redundancy {
        Redundancy(
            kernel: "dispatch receive", mutation: "RowCounts.swift relaxed (system scope) load: \(change)",
            proof:
                "The counts are read for a fault's record alone, when a wait has been given up. What they say was acquired "
                + "before.")
    }

    private static func ownBeatOfSend(_ change: String) -> Redundancy {
        Redundancy(
            kernel: "combine send", mutation: "Patience.swift relaxed (gpu scope) load: \(change)",
            proof:
                "A combine send begins when gate and up has ended, and the unpack before it. Until it ends no kernel of its "
                + "rank waits for other ranks, so that nobody stores to the word.")
    }

    private static func failureWithMasks(_ change: String) -> Redundancy {
        Redundancy(
            kernel: "gemm", mutation: "Watchdog.swift relaxed (gpu scope) load: \(change)",
            proof:
                "Where ranks are masked, a record is written only if a wait for a kernel of the own rank fails. Such faults "
                + "are explored without masks, where the load is at another line, and there the mutation is found.")
    }

    private static func settledMask(_ kernel: String, _ change: String) -> Redundancy {
        Redundancy(
            kernel: kernel, mutation: "RankMasks.swift relaxed (gpu scope) load: \(change)",
            proof:
                "Kernels that mask ranks have ended before it, or begin when its last tiles are done and then wait for a "
                + "whole limit. Where they ask themselves, the mutation is found.")
    }

    private static func failureAtBarrier(_ change: String) -> Redundancy {
        Redundancy(
            kernel: "rank barrier", mutation: "Watchdog.swift relaxed (gpu scope) load: \(change)",
            proof:
                "A record is written by threads of the same block, or with masks by kernels that have ended before it. Where "
                + "lanes fail side by side without masks, the weak load is found.")
    }

    private static func maskAtBarrier(_ change: String) -> Redundancy {
        Redundancy(
            kernel: "rank barrier", mutation: "RankMasks.swift relaxed (gpu scope) load: \(change)",
            proof:
                "At a barrier one lane alone waits for a rank, and kernels of its rank that mask others have ended before "
                + "it. Where several threads wait for a rank, the mutation is found.")
    }

    private static func resetOfCounter(_ change: String) -> Redundancy {
        Redundancy(
            kernel: "gemm", mutation: "WorkTileQueue.swift relaxed (gpu scope) store: \(change)",
            proof:
                "The thread block has just made the launch's last add, as the number that it got says: its own comes after "
                + "those of all others, and its store after that. Who adds next comes behind the kernel's end.")
    }

    /// Entries that explain none of the findings of a whole survey: the operation has gone, or the mutation is found
    /// now.
    package static func stale(in findings: [MutationSurvey.Finding]) -> [Redundancy] {
        all.filter { entry in
            !findings.contains { $0.failure == nil && $0.kernel == entry.kernel && $0.key == entry.mutation }
        }
    }

    /// The reason why a finding's mutation may survive.
    static func proof(kernel: String, _ mutation: String) -> String? {
        all.first { $0.kernel == kernel && $0.mutation == mutation }?.proof
    }
}

extension MutationSurvey.Finding {
    /// Line, operation and change, without the line's number: what stays the same when lines move.
    var key: String { "\(fileName) \(mutation.operation): \(mutation.change)" }

    /// The file that the line is in, without its module.
    package var fileName: Substring { mutation.location.file.split(separator: "/").last ?? "" }

    /// What became of the mutation.
    package enum Verdict: Hashable, Sendable {
        /// An exploration has failed.
        case found
        /// None has, and none can, for this reason.
        case redundant(proof: String)
        /// None has, and nobody has said why.
        case unexplained
        /// Nobody has looked.
        case notTried
    }

    /// What became of the mutation.
    package var verdict: Verdict {
        if schedules == 0 { return .notTried }
        if failure != nil { return .found }
        return proof.map { .redundant(proof: $0) } ?? .unexplained
    }

    /// The reason that is given for it to survive.
    package var proof: String? { Redundancy.proof(kernel: kernel, key) }
}
