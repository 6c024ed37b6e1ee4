/// A process's number and the address where its group meets, as its launcher passes them.
public struct Bootstrap: Hashable, Sendable {
    /// The programs that start processes.
    public enum Launcher: String, Sendable {
        case swiftep, torchrun
        case openMPI = "Open MPI"
        case slurm = "SLURM"
    }

    /// The launcher of this process.
    public var launcher: Launcher
    /// The number of this process in the group, from 0.
    public var process: Int
    /// The number of processes of the group.
    public var processes: Int
    /// Its number among those on this machine, from 0: the GPU that it takes.
    public var localProcess: Int
    /// The address of the rendezvous.
    public var address: SocketAddress
    /// The secret that the processes share. torchrun, SLURM and Open MPI hand none out: then it is `SWIFTEP_SECRET`, or
    /// follows from variables of the job, which keeps jobs apart but no attacker out.
    public var secret: RendezvousSecret

    /// A bootstrap as given.
    public init(
        launcher: Launcher, process: Int, processes: Int, localProcess: Int, address: SocketAddress,
        secret: RendezvousSecret
    ) {
        self.launcher = launcher
        self.process = process
        self.processes = processes
        self.localProcess = localProcess
        self.address = address
        self.secret = secret
    }

    /// Whether this process keeps the rendezvous itself: the first one does, where the launcher keeps none.
    public var keepsServer: Bool { launcher != .swiftep && process == 0 }

    /// The variables that `init(environment:)` reads for the launcher `swiftep`.
    public var variables: [String: String] {
        [
            "SWIFTEP_PROCESS": "\(process)", "SWIFTEP_PROCESSES": "\(processes)",
            "SWIFTEP_LOCAL_PROCESS": "\(localProcess)", "SWIFTEP_RENDEZVOUS": "\(address)",
            "SWIFTEP_SECRET": secret.text,
        ]
    }

    /// Reads the variables of a launcher; nil where there are none of more than one process.
    ///
    /// - `swiftep`: `SWIFTEP_PROCESS`, `SWIFTEP_PROCESSES`, `SWIFTEP_LOCAL_PROCESS`, `SWIFTEP_RENDEZVOUS`,
    ///   `SWIFTEP_SECRET`.
    /// - torchrun: `RANK`, `WORLD_SIZE`, `LOCAL_RANK`, `MASTER_ADDR`, `MASTER_PORT`. torchrun itself is at that port;
    ///   the next one is taken.
    /// - Open MPI: `OMPI_COMM_WORLD_RANK`, `OMPI_COMM_WORLD_SIZE`, `OMPI_COMM_WORLD_LOCAL_RANK`; and `MASTER_ADDR` and
    ///   `MASTER_PORT`, unless all are on this machine.
    /// - SLURM's steps: `SLURM_PROCID`, `SLURM_STEP_NUM_TASKS`, `SLURM_LOCALID`; `MASTER_ADDR` or the first host of
    ///   `SLURM_STEP_NODELIST`; `MASTER_PORT` or one by the number of the job.
    ///
    /// - Throws: `TransportError.environment` for variables that are there with unusable values.
    public init?(environment: [String: String]) throws(TransportError) {
        let variables = Variables(environment)
        if environment["SWIFTEP_PROCESS"] != nil {
            guard let secret = RendezvousSecret(environment["SWIFTEP_SECRET"] ?? "") else {
                throw .environment(
                    "SWIFTEP_SECRET is not set to 1 to 256 characters, which all processes share; set it")
            }
            let text = environment["SWIFTEP_RENDEZVOUS"] ?? ""
            guard let address = SocketAddress(text) else {
                throw .environment("SWIFTEP_RENDEZVOUS is \"\(text)\"; set it to host:port or unix:path")
            }
            self.init(
                launcher: .swiftep, process: try variables.number("SWIFTEP_PROCESS"),
                processes: try variables.number("SWIFTEP_PROCESSES"),
                localProcess: try variables.number("SWIFTEP_LOCAL_PROCESS"), address: address, secret: secret)
        } else if environment["RANK"] != nil, environment["WORLD_SIZE"] != nil, environment["MASTER_ADDR"] != nil {
            self.init(
                launcher: .torchrun, process: try variables.number("RANK"),
                processes: try variables.number("WORLD_SIZE"),
                localProcess: try variables.number("LOCAL_RANK", or: "RANK"),
                address: .tcp(
                    host: environment["MASTER_ADDR"] ?? "",
                    port: try variables.number("MASTER_PORT", in: 1...65_534) + 1),
                secret: try variables.secret(job: "TORCHELASTIC_RUN_ID"))
        } else if environment["OMPI_COMM_WORLD_RANK"] != nil {
            let processes = try variables.number("OMPI_COMM_WORLD_SIZE")
            let isOneMachine = environment["OMPI_COMM_WORLD_LOCAL_SIZE"] == "\(processes)"
            guard let host = environment["MASTER_ADDR"] ?? (isOneMachine ? "127.0.0.1" : nil) else {
                throw .environment(
                    "Open MPI has started processes on several machines, and MASTER_ADDR is not set; set it to the "
                        + "machine of process 0, and MASTER_PORT to a free port there")
            }
            self.init(
                launcher: .openMPI, process: try variables.number("OMPI_COMM_WORLD_RANK"), processes: processes,
                localProcess: try variables.number("OMPI_COMM_WORLD_LOCAL_RANK"),
                address: .tcp(host: host, port: try variables.port(job: "OMPI_MCA_ess_base_jobid")),
                secret: try variables.secret(job: "OMPI_MCA_ess_base_jobid"))
        } else if environment["SLURM_PROCID"] != nil, environment["SLURM_STEP_ID"] != nil {
            let list = environment["SLURM_STEP_NODELIST"] ?? environment["SLURM_JOB_NODELIST"] ?? ""
            guard let host = environment["MASTER_ADDR"] ?? Self.firstHost(of: list) else {
                throw .environment("SLURM_STEP_NODELIST is \"\(list)\", which names no host; set MASTER_ADDR to one")
            }
            self.init(
                launcher: .slurm, process: try variables.number("SLURM_PROCID"),
                processes: try variables.number("SLURM_STEP_NUM_TASKS", or: "SLURM_NTASKS"),
                localProcess: try variables.number("SLURM_LOCALID"),
                address: .tcp(host: host, port: try variables.port(job: "SLURM_JOB_ID")),
                secret: try variables.secret(job: "SLURM_JOB_ID", "SLURM_STEP_ID"))
        } else {
            return nil
        }
        guard processes >= 1, process < processes else {
            throw .environment(
                "\(launcher.rawValue)'s variables say process \(process) of \(processes); number them from 0")
        }
        if processes == 1, launcher != .swiftep { return nil }
    }

    /// The first name of a list of hosts such as `node[003-007,12],login`; nil if there is none.
    package static func firstHost(of list: String) -> String? {
        guard let open = list.firstIndex(where: { $0 == "[" || $0 == "," }), list[open] == "[" else {
            let name = list.prefix { $0 != "," }
            return name.isEmpty ? nil : String(name)
        }
        let numbers = list[list.index(after: open)...]
        guard let close = numbers.firstIndex(of: "]") else { return nil }
        let first = numbers.prefix { $0 != "," && $0 != "-" && $0 != "]" }
        let rest = numbers[numbers.index(after: close)...].prefix { $0 != "," }
        // Lists may go on after the bracket: rack[1-2]node[1-4].
        let tail = rest.isEmpty ? "" : firstHost(of: String(rest)) ?? ""
        return first.isEmpty ? nil : list[..<open] + first + tail
    }
}

/// Variables of the environment, read with errors that name them.
private struct Variables {
    private let values: [String: String]

    init(_ values: [String: String]) { self.values = values }

    /// A whole number of the first of these variables that is set. Processes are numbered, and there are at most 256.
    func number(
        _ name: String, or other: String? = nil, in range: ClosedRange<Int> = 0...256
    ) throws(TransportError) -> Int {
        let name = values[name] == nil ? other ?? name : name
        let remedy = "set it to a whole number from \(range.lowerBound) to \(range.upperBound)"
        guard let text = values[name] else { throw .environment("\(name) is not set; \(remedy)") }
        guard let number = Int(text), range.contains(number) else {
            throw .environment("\(name) is \"\(text)\"; \(remedy)")
        }
        return number
    }

    /// `MASTER_PORT`, or one above 20,000 that follows from the number of the job.
    func port(job: String) throws(TransportError) -> Int {
        if values["MASTER_PORT"] != nil { return try number("MASTER_PORT", in: 1...65_535) }
        guard let id = values[job].flatMap({ Int($0) }) else {
            throw .environment("MASTER_PORT is not set; set it to a free port of the machine of process 0")
        }
        return 20_000 + abs(id % 12_000)
    }

    /// `SWIFTEP_SECRET`, or the variables that tell this job from others.
    func secret(job: String...) throws(TransportError) -> RendezvousSecret {
        if let own = values["SWIFTEP_SECRET"] {
            guard let secret = RendezvousSecret(own) else {
                throw .environment("SWIFTEP_SECRET has \(own.utf8.count) bytes; choose 1 to 256")
            }
            return secret
        }
        let known = job.map { values[$0] ?? "" } + [values["MASTER_ADDR"] ?? "", values["MASTER_PORT"] ?? ""]
        return RendezvousSecret("job " + known.joined(separator: " ").prefix(200)) ?? RendezvousSecret()
    }
}
