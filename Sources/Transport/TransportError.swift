/// Why ranks cannot come together.
public enum TransportError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A group without ranks, or without processes.
    case groupSize(Int)
    /// Ranks that cannot be shared evenly by processes.
    case unevenRanks(ranks: Int, processes: Int)
    /// A rank made two windows of one name.
    case repeatedWindow(rank: Int, name: String)
    /// A rank offers a window that it has not made.
    case unknownWindow(rank: Int, name: String)
    /// Ranks did not come in time.
    case missingRanks([Int], what: String, seconds: Double)
    /// Processes did not come in time.
    case missingProcesses([Int], what: String, seconds: Double)
    /// Processes have gone, and why.
    case lostProcesses([Int: String], what: String)
    /// This process was given up by the others.
    case givenUp(process: Int, reason: String)
    /// A host's name has no address.
    case unresolvedHost(String, reason: String)
    /// A path that is too long for a socket.
    case socketPath(String, limit: Int)
    /// The process cannot listen at this address.
    case listening(SocketAddress, reason: String)
    /// No process answers at this address.
    case unreachable(SocketAddress, reason: String)
    /// The rendezvous does not let this process in.
    case refused(SocketAddress, reason: String)
    /// Processes that must agree do not.
    case disagreement([Disagreement])
    /// A rank's memory cannot be reached from here.
    case unreachableRank(Int, reason: String)
    /// Bytes that are not what was asked for.
    case malformed(from: Int, what: String)
    /// Environment variables that are missing or have unusable values.
    case environment(String)

    /// Something that must be the same in all processes and is not.
    public struct Disagreement: Hashable, Sendable {
        /// The name of the value.
        public var name: String
        /// The first process's value.
        public var expected: String
        /// The first process, 0 unless that has gone.
        public var reference: Int
        /// The other process's value.
        public var found: String
        /// The other process.
        public var process: Int

        /// A disagreement of two processes.
        public init(name: String, expected: String, of reference: Int, found: String, in process: Int) {
            self.name = name
            self.expected = expected
            self.reference = reference
            self.found = found
            self.process = process
        }
    }

    /// One sentence with value, limit and remedy.
    public var description: String {
        switch self {
        case .groupSize(let ranks):
            return "a group of \(ranks) is not possible; make it with at least 1"
        case .unevenRanks(let ranks, let processes):
            return
                "\(ranks) ranks cannot be shared evenly by \(processes) processes; choose a multiple of \(processes) ranks"
        case .repeatedWindow(let rank, let name):
            return "rank \(rank) has already made a window \"\(name)\"; give each window of a rank a name of its own"
        case .unknownWindow(let rank, let name):
            return "rank \(rank) has made no window \"\(name)\"; make it before it is offered"
        case .missingRanks(let ranks, let what, let seconds):
            return
                "\(Self.list("rank", ranks)) did not come to \(what) within \(seconds) s; see that all ranks run, and make "
                + "the same calls"
        case .missingProcesses(let processes, let what, let seconds):
            return
                "\(Self.list("process", processes)) did not come to \(what) within \(seconds) s; see that all of them run, "
                + "and make the same calls"
        case .lostProcesses(let lost, let what):
            let all = lost.sorted { $0.key < $1.key }.map { "process \($0.key) has gone (\($0.value))" }
            return all.joined(separator: ", ") + ", which \(what) waited for; see why it ended, and start all again"
        case .givenUp(let process, let reason):
            return "this is process \(process), which the others have given up: \(reason); start it again"
        case .unresolvedHost(let host, let reason):
            return "the host \"\(host)\" is not known: \(reason); give a name or number that this machine can resolve"
        case .socketPath(let path, let limit):
            return "the path \"\(path)\" is too long for a socket; choose one of at most \(limit) bytes"
        case .listening(let address, let reason):
            let remedy =
                if case .unix = address { "name a directory that can be written in SWIFTEP_SOCKET_DIRECTORY" } else {
                    "choose an address of this machine and a port that is free"
                }
            return "cannot listen at \(address): \(reason); \(remedy)"
        case .unreachable(let address, let reason):
            return
                "nobody answers at \(address): \(reason); see that the first process runs and that this machine reaches it"
        case .refused(let address, let reason):
            return "the rendezvous at \(address) does not take this process: \(reason)"
        case .disagreement(let all):
            let texts = all.map {
                "\($0.name) is \($0.found) in process \($0.process) and \($0.expected) in process \($0.reference)"
            }
            return texts.joined(separator: "; ") + "; start all processes with the same options and program"
        case .unreachableRank(let rank, let reason):
            return "memory of rank \(rank) cannot be reached: \(reason)"
        case .malformed(let process, let what):
            return "process \(process) sent something else than \(what); use the same program on all ranks"
        case .environment(let text):
            return text
        }
    }

    private static func list(_ what: String, _ numbers: [Int]) -> String {
        let plural = what.hasSuffix("s") ? what + "es" : what + "s"
        if numbers.isEmpty { return "some \(plural)" }
        return (numbers.count == 1 ? what : plural) + " " + numbers.map(String.init).joined(separator: ", ")
    }
}
