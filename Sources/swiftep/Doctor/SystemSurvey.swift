import Accelerator
import CUDADriver
import Conformance
import NVSHMEM
import PTX

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The checks of `swiftep doctor`.
enum SystemSurvey {
    /// All findings, in the order in which they are needed.
    static var findings: [Finding] {
        [swiftRuntime, simulator] + gpus + [networkLibrary, assembler]
    }

    private static var swiftRuntime: Finding {
        // The mappings of the process, a line each that ends in a path.
        let maps = (try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8)) ?? ""
        let library = maps.split(separator: "\n").first { $0.hasSuffix("/libswiftCore.so") }
        guard let path = library?.split(separator: " ").last else {
            return Finding(
                name: "Swift runtime", verdict: .works,
                text: "in the program itself, which runs on machines without Swift")
        }
        return Finding(
            name: "Swift runtime", verdict: .works, text: String(path),
            remedy: "For machines without Swift: swift build -c release --static-swift-stdlib --product swiftep.")
    }

    private static var simulator: Finding {
        let problem = trial(SimulatedDevice())
        return Finding(
            name: "simulator", verdict: problem == nil ? .works : .unusable, text: problem ?? "runs a kernel")
    }

    private static var gpus: [Finding] {
        let driver: Driver
        let found: [GPUSurvey]
        do {
            driver = try Driver.load()
            found = try driver.survey()
        } catch {
            let isHere = (error as? DriverError)?.saysSomethingIsHere ?? true
            return [
                Finding(
                    name: "NVIDIA driver", verdict: isHere ? .unusable : .missing, text: "\(error)",
                    remedy: "Everything runs on the simulator meanwhile.")
            ]
        }
        let version = "CUDA \(Driver.versionText(driver.version)), \(driver.libraryPath)"
        return [Finding(name: "NVIDIA driver", verdict: .works, text: version)]
            + found.map(gpu) + (found.count > 1 ? [peers(found)] : []) + [sharing(found)]
    }

    private static func gpu(_ gpu: GPUSurvey) -> Finding {
        let name = "GPU \(gpu.ordinal)"
        let text =
            "\(gpu.name), compute capability \(gpu.major).\(gpu.minor), \(gpu.multiprocessors) multiprocessors, "
            + "\(gpu.memoryBytes >> 30) GiB"
        guard gpu.major == 9, gpu.minor == 0 else {
            return Finding(
                name: name, verdict: .missing, text: text,
                remedy: "Kernels are made of instructions of Hopper (9.0) alone; use an H100, H200 or GH200.")
        }
        if let problem = trial(try CUDADevice(ordinal: gpu.ordinal)) {
            return Finding(name: name, verdict: .unusable, text: text, remedy: problem)
        }
        guard gpu.sharesMemory else {
            return Finding(
                name: name, verdict: .missing, text: text + ", runs a kernel",
                remedy: "Its memory cannot be handed to other processes by descriptors, so all ranks of it must be in "
                    + "one process.")
        }
        return Finding(name: name, verdict: .works, text: text + ", runs a kernel")
    }

    /// A line for each GPU, a column for each other.
    private static func peers(_ gpus: [GPUSurvey]) -> Finding {
        let words: [GPUSurvey.Peer: String] = [.itself: "-", .none: "none", .access: "access", .atomics: "atomics"]
        var table = Table([("from", .left)] + gpus.map { ("GPU \($0.ordinal)", .left) })
        for gpu in gpus { table.add(["GPU \(gpu.ordinal)"] + gpu.peers.map { words[$0] ?? "" }) }
        let all = gpus.flatMap(\.peers)
        return Finding(
            name: "peer access", verdict: all.contains(.none) ? .missing : .works,
            text: table.description.split(separator: "\n").joined(separator: "\n" + String(repeating: " ", count: 26)),
            remedy: all.contains(.none)
                ? "Ranks on GPUs without access to each other cannot work together; have every process see all GPUs."
                : all.contains(.access) ? "\"atomics\" means NVLink; \"access\" alone is PCI Express, and slow." : nil)
    }

    private static func sharing(_ gpus: [GPUSurvey]) -> Finding {
        let runs = gpus.contains(where: \.sharesContexts)
        return Finding(
            name: "MPS", verdict: runs ? .works : .missing,
            text: runs ? "kernels of several processes of a GPU run side by side" : "does not run",
            remedy: runs
                ? nil
                : "Processes that share a GPU take turns, and their times say little. Start it with "
                    + "nvidia-cuda-mps-control -d; with one process for each GPU it is not needed.")
    }

    /// NVSHMEM, and the tools that compile the functions that kernels call.
    private static var networkLibrary: Finding {
        let use = "Only --transport nvshmem uses it, for ranks on several machines. "
        do throws(NVSHMEMError) {
            let installation = try NVSHMEMInstallation.find()
            let found = "\(installation.version) in \(installation.home)"
            do throws(NVSHMEMError) {
                _ = try NVSHMEMLibrary(installation)
                let toolkit = try CUDAToolkit.find()
                let compiler = try RuntimeCompiler(toolkit.compilers)
                let linker = JITLinker(toolkit.linkers).map { "nvJitLink (\($0.path))" } ?? "the driver's linker"
                return Finding(
                    name: "NVSHMEM", verdict: .works,
                    text: "\(found), to be built with NVRTC \(compiler.version) (\(compiler.path)), headers of "
                        + "\(toolkit.headers[0]), and \(linker)")
            } catch {
                return Finding(name: "NVSHMEM", verdict: .missing, text: found, remedy: use + "But \(error).")
            }
        } catch {
            return Finding(name: "NVSHMEM", verdict: .missing, text: "not found", remedy: use + "Here \(error).")
        }
    }

    private static var assembler: Finding {
        do throws(AssemblerError) {
            return Finding(name: "ptxas", verdict: .works, text: try Assembler.find().path)
        } catch {
            return Finding(
                name: "ptxas", verdict: .missing, text: "not found",
                remedy: "Only swiftep ptx --report and tests use it: pip install --no-deps --target .build/ptxas "
                    + "nvidia-cuda-nvcc==13.0.88")
        }
    }

    /// Runs a conformance case on a device; returns the error, or nil.
    private static func trial(_ device: @autoclosure () throws -> any Device) -> String? {
        do {
            let device = try device()
            try ConformanceSuite.cases(for: device.properties.kind).first?.run(on: device)
            return nil
        } catch {
            return "\(error)"
        }
    }
}

extension DriverError {
    /// Whether there is a driver that does not work, rather than none, or none with a GPU.
    fileprivate var saysSomethingIsHere: Bool {
        switch self {
        case .libraryMissing, .noDevice: false
        default: true
        }
    }
}
