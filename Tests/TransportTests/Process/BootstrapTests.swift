import Testing
import Transport

/// What launchers say in variables, and what is wrong with it.
@Suite struct BootstrapTests {
    @Test func launchersAreRead() throws {
        let secret = try #require(RendezvousSecret("s"))
        let own = Bootstrap(
            launcher: .swiftep, process: 1, processes: 3, localProcess: 1, address: .unix("@x"), secret: secret)
        #expect(try Bootstrap(environment: own.variables) == own)

        let torchrun = [
            "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "MASTER_ADDR": "node1", "MASTER_PORT": "29500",
            "TORCHELASTIC_RUN_ID": "17",
        ]
        let found = try #require(try Bootstrap(environment: torchrun))
        #expect(found.launcher == .torchrun)
        #expect((found.process, found.processes, found.localProcess) == (5, 8, 1))
        // torchrun itself listens at its port.
        #expect(found.address == .tcp(host: "node1", port: 29_501))
        #expect(try Bootstrap(environment: torchrun.merging(["SWIFTEP_SECRET": "s"]) { $1 })?.secret == secret)

        let slurm = [
            "SLURM_PROCID": "0", "SLURM_STEP_ID": "2", "SLURM_STEP_NUM_TASKS": "16", "SLURM_LOCALID": "0",
            "SLURM_STEP_NODELIST": "gpu[007-009,12],x", "SLURM_JOB_ID": "30007",
        ]
        let step = try #require(try Bootstrap(environment: slurm))
        #expect(step.launcher == .slurm)
        #expect((step.process, step.processes) == (0, 16))
        #expect(step.address == .tcp(host: "gpu007", port: 26_007))
        #expect(step.keepsServer)

        let mpi = [
            "OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "2",
            "OMPI_COMM_WORLD_LOCAL_SIZE": "4", "MASTER_PORT": "4000",
        ]
        #expect(try Bootstrap(environment: mpi)?.address == .tcp(host: "127.0.0.1", port: 4000))
    }

    @Test func nothingIsReadWhereNobodyLaunches() throws {
        for environment in [
            [:], ["RANK": "0"], ["RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "a", "MASTER_PORT": "1"],
            ["SLURM_JOB_ID": "7", "SLURM_NTASKS": "8", "SLURM_PROCID": "0"],
        ] as [[String: String]] {
            #expect(try Bootstrap(environment: environment) == nil, "\(environment)")
        }
    }

    @Test func badVariablesAreNamed() {
        let torchrun = ["RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "a", "MASTER_PORT": "1"]
        for (name, value) in [
            ("RANK", "x"), ("RANK", "-1"), ("WORLD_SIZE", ""), ("MASTER_PORT", "http"), ("LOCAL_RANK", "1.5"),
        ] {
            #expect("\(name)=\(value)") {
                try Bootstrap(environment: torchrun.merging([name: value]) { $1 })
            } throws: { "\($0)".contains(name) }
        }
        #expect { try Bootstrap(environment: torchrun.merging(["RANK": "2"]) { $1 }) } throws: {
            "\($0)".contains("process 2 of 2")
        }
        #expect { try Bootstrap(environment: ["SWIFTEP_PROCESS": "0"]) } throws: { "\($0)".contains("SWIFTEP_SECRET") }
        #expect {
            try Bootstrap(
                environment: [
                    "OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "16", "OMPI_COMM_WORLD_LOCAL_SIZE": "8",
                    "OMPI_COMM_WORLD_LOCAL_RANK": "0",
                ])
        } throws: { "\($0)".contains("MASTER_ADDR") }
    }

    @Test(arguments: [
        ("a", "a"), ("a,b", "a"), ("n[1-4]", "n1"), ("n[003,7]x", "n003x"), ("r[1-2]n[5-6],z", "r1n5"),
        ("a,b[1-2]", "a"),
    ]) func firstHosts(_ list: String, _ host: String) { #expect(Bootstrap.firstHost(of: list) == host) }

    @Test func noHost() {
        for list in ["", ",", "n[", "n[]"] { #expect(Bootstrap.firstHost(of: list) == nil, "\(list)") }
    }

    @Test(arguments: ["127.0.0.1:80", "[::1]:9", "host.example:65535", "unix:/tmp/x", "unix:@name"])
    func addressesAsText(_ text: String) throws {
        #expect(try #require(SocketAddress(text)).description == text)
    }

    @Test(arguments: ["", "host", "host:", ":80", "host:65536", "host:-1", "unix:"])
    func textsThatAreNoAddress(_ text: String) { #expect(SocketAddress(text) == nil) }
}
