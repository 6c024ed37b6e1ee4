/// Why ranks cannot reach each other by NVSHMEM.
public enum NVSHMEMError: Error, Hashable, Sendable, CustomStringConvertible {
    /// There is no NVSHMEM where it was looked for.
    case notFound(searched: [String])
    /// A part of an installation is missing.
    case incomplete(home: String, missing: String)
    /// A library that the system's loader does not open, or that lacks a function.
    case unusable(library: String, reason: String)
    /// The library is of another version than the headers beside it.
    case versions(library: String, headers: String, home: String)
    /// There is no NVRTC, or no headers of CUDA, to compile with.
    case noCompiler(missing: String, searched: [String])
    /// NVRTC refuses the functions that kernels call.
    case compilation(compiler: String, log: String)
    /// A kernel could not be linked with those functions.
    case link(kernel: String, log: String)
    /// A function of NVSHMEM failed.
    case call(String, status: Int32, activity: String, context: String)
    /// Processes have different versions.
    case disagreement([String])
    /// Another process cannot use NVSHMEM, and says why.
    case elsewhere(process: Int, reason: String)
    /// NVSHMEM is, or was, between other processes, or in another group.
    case onePerProcess(hasEnded: Bool)
    /// Nodes of ranks that are not on one machine, or that divide a process.
    case nodes(ranks: Int, ofProcess: Int, ofMachine: Int?)
    /// Groups of ranks still use NVSHMEM when it is to end.
    case inUse(Int)
    /// NVSHMEM numbers processes in another way than the group.
    case numbering(process: Int, processes: Int, found: Int, of: Int)
    /// Processes are on several machines, and this one has no network card that NVSHMEM can use.
    case noNetworkCard(hosts: Int)
    /// Kernels of a GPU do not see writes of network cards in order.
    case unorderedWrites(device: String)
    /// Memory of a process cannot be reached.
    case unreachable(process: Int)
    /// NVSHMEM moves memory of GPUs.
    case needsGPU(device: String)
    /// NVSHMEM is between processes.
    case needsProcesses
    /// NVSHMEM has no way to go on without a process.
    case cannotMask

    /// One sentence with value, limit and remedy.
    public var description: String {
        switch self {
        case .notFound(let searched):
            return
                "there is no NVSHMEM in \(searched.joined(separator: ", ")); install it (pip install nvidia-nvshmem-cu13), or "
                + "name its directory, which has include and lib, in SWIFTEP_NVSHMEM_HOME"
        case .incomplete(let home, let missing):
            return
                "the NVSHMEM in \(home) has no \(missing), which is needed to build what kernels call; install all of it, or "
                + "name another in SWIFTEP_NVSHMEM_HOME"
        case .unusable(let library, let reason):
            return "\(library) cannot be used: \(reason); install a complete one, or name another directory"
        case .versions(let library, let headers, let home):
            return
                "NVSHMEM in \(home) is \(library), and its headers are \(headers), of which code for the GPU would not fit; "
                + "name one in SWIFTEP_NVSHMEM_HOME whose parts are of one version"
        case .noCompiler(let missing, let searched):
            return
                "there is no \(missing) in \(searched.joined(separator: ", ")), to compile what kernels call of NVSHMEM; "
                + "install CUDA's toolkit, or pip install nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cuda-cccl "
                + "nvidia-cuda-crt, and name its directory, which has include and lib or lib64, in SWIFTEP_CUDA_HOME"
        case .compilation(let compiler, let log):
            return
                "\(compiler) refuses NVSHMEM's headers; name another CUDA in SWIFTEP_CUDA_HOME, or another NVSHMEM in "
                + "SWIFTEP_NVSHMEM_HOME; its log: \(log)"
        case .link(let kernel, let log):
            return
                "the kernel \(kernel) could not be joined with NVSHMEM; use an NVSHMEM and a CUDA that are not newer than the "
                + "driver; what linkers said: \(log)"
        case .call(let function, let status, let activity, let context):
            return
                "\(function) gave \(Self.name(of: status)) while \(activity); set NVSHMEM_DEBUG=INFO to see why; \(context)"
        case .disagreement(let versions):
            return
                "processes have NVSHMEM \(versions.joined(separator: ", ")), in their order; use one version in all of them"
        case .elsewhere(let process, let reason):
            return "process \(process) cannot use NVSHMEM: \(reason)"
        case .onePerProcess(let hasEnded):
            return
                "NVSHMEM \(hasEnded ? "has been started before" : "runs") in this process, which starts it once; make all "
                + "layers in one group, and close that at the end"
        case .nodes(let ranks, let ofProcess, let ofMachine):
            let machine = ofMachine.map { "a machine has \($0)" } ?? "machines have different numbers of them"
            return
                "nodes of \(ranks) ranks cannot be: a process has \(ofProcess), and \(machine); choose 1, or a multiple of "
                + "\(ofProcess) that divides the ranks of a machine"
        case .inUse(let count):
            return
                "NVSHMEM is to end, and memory of \(count) layer\(count == 1 ? " is" : "s is") still in use; free layers before "
                + "their group"
        case .numbering(let process, let processes, let found, let count):
            return
                "process \(process) of \(processes) is PE \(found) of \(count) to NVSHMEM; leave its variables of the bootstrap "
                + "(NVSHMEM_BOOTSTRAP) unset"
        case .noNetworkCard(let hosts):
            return
                "ranks are on \(hosts) machines, and this one has no network card in /sys/class/infiniband; use machines with "
                + "InfiniBand, RoCE or EFA, or set NVSHMEM_REMOTE_TRANSPORT if NVSHMEM has another way there"
        case .unorderedWrites(let device):
            return
                "kernels of \(device) see what a network card writes in no order, as its driver says "
                + "(GPU_DIRECT_RDMA_WRITES_ORDERING), and would have to flush it after each wait, which they do not; use another "
                + "GPU or driver"
        case .unreachable(let process):
            return
                "NVSHMEM does not map memory of process \(process), which is on this machine; let every process see all GPUs "
                + "(CUDA_VISIBLE_DEVICES), and use GPUs with peer access"
        case .needsGPU(let device):
            return
                "NVSHMEM moves memory of GPUs, and ranks run on \(device); use a GPU (--device cuda), or the simulated network "
                + "(--transport network)"
        case .needsProcesses:
            return
                "NVSHMEM is between processes, and all ranks are in this one; start several, by --processes 2, torchrun or "
                + "srun"
        case .cannotMask:
            return
                "NVSHMEM cannot go on without a process: its waits have no deadline, and its own threads end the process when "
                + "a transfer fails; leave out masks (--on-failure mask)"
        }
    }

    /// `nvshmemx_status`.
    private static func name(of status: Int32) -> String {
        let names = [
            "SUCCESS", "ERROR_INVALID_VALUE", "ERROR_OUT_OF_MEMORY", "ERROR_NOT_SUPPORTED", "ERROR_SYMMETRY",
            "ERROR_GPU_NOT_SELECTED", "ERROR_COLLECTIVE_LAUNCH_FAILED", "ERROR_INTERNAL",
        ]
        return names.indices.contains(Int(status)) ? "NVSHMEMX_\(names[Int(status)]) (\(status))" : "\(status)"
    }
}
