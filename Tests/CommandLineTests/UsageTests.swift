import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Command lines that cannot be followed end with 64 and say what would be valid.
@Suite struct UsageTests {
    @Test(
        arguments: [
            (["rnu"], "swiftep has no command 'rnu'; did you mean 'run'?"),
            (["frobnicate"], "valid: run, verify, explore, mutate, litmus, ptx, checkpoint, bench, doctor, completion"),
            (["checkpoint", "mak"], "swiftep checkpoint has no command 'mak'; did you mean 'make'?"),
            (["run", "--rank", "2"], "swiftep run has no option '--rank'; did you mean '--ranks'?"),
            (["run", "-x"], "swiftep run has no option '-x'; valid: --ranks, "),
            (["run", "4"], "swiftep run does not take the argument '4'"),
            (["run", "--tokens"], "--tokens needs a value: --tokens N"),
            (["run", "--tokens", "5x"], "--tokens is '5x'; it takes a whole number from 0 to 4096"),
            (["run", "--tokens", "+5"], "--tokens is '+5'; it takes a whole number from 0 to 4096"),
            (["run", "--tokens=-1"], "--tokens is '-1'; it takes a whole number from 0 to 4096"),
            (["run", "--tokens", "99999999999999999999"], "it takes a whole number from 0 to 4096"),
            (["run", "--tokens", "1", "--tokens", "2"], "--tokens is given more than once"),
            (["run", "--json=yes"], "--json is 'yes'; it takes no value"),
            (["run", "--device", "tpu"], "--device is 'tpu'; it takes auto, cuda, cuda:N with"),
            (["run", "--device", "cuda:-1"], "--device is 'cuda:-1'; it takes auto, cuda, cuda:N with"),
            (["run", "--block-m", "24"], "--block-m is '24'; it takes 16, 32, 64 or 128"),
            (
                ["run", "--overlap", "none,none"],
                "--overlap is 'none,none'; it takes modes out of none, singleBatch, twoBatch or direct"
            ),
            (["run", "--link", "50GB/s"], "--link is '50GB/s'; it takes a rate"),
            (["bench", "layer", "--link", "0.01GB/s,5us"], "it takes a rate from 0.1GB/s"),
            (["bench", "dispatch", "--tokens", "8,,9"], "--tokens is '8,,9'; it takes whole numbers"),
            (["bench", "layer", "--between", "200"], "--between is '200'; it takes from 1MB to 16GB in KB, MB or GB"),
            (["bench", "layer", "--between", "write:200MB"], "--between is 'write:200MB'; it takes from 1MB to 16GB"),
            (["bench", "layer", "--between", "999KB"], "--between is '999KB'; it takes from 1MB to 16GB"),
            (["bench", "layer", "--between", "20MB,30MB"], "--between is '20MB,30MB'; it takes from 1MB to 16GB"),
            (["bench", "layer", "--between", "20MB,"], "--between is '20MB,'; it takes from 1MB to 16GB"),
            (["bench", "layer", "--between=-20MB"], "--between is '-20MB'; it takes from 1MB to 16GB"),
            (["bench", "layer", "--skew", "0"], "--skew is '0'; it takes a number above 0 and at most 10"),
            (["bench", "dispatch", "--skew", "11"], "--skew is '11'; it takes a number above 0 and at most 10"),
            (["bench", "layer", "--set-aside", "half"], "--set-aside is 'half'; it takes layer, driver or none"),
            (["bench", "ceiling", "--commit", "abc"], "--commit names the commit of lines of --results; add it"),
            (["bench", "gemm", "--results", "/"], "--results is '/'; it takes a regular file or a new name"),
            (["run", "--overlap", "twice"], "it takes modes out of none, singleBatch, twoBatch or direct"),
            (["run", "--wait-limit", "inf"], "--wait-limit is 'inf'; it takes a number above 0 and at most 3600"),
            (["run", "--wait-limit", "0"], "it takes a number above 0 and at most 3600"),
            (["run", "--seed", "-3"], "--seed is '-3'; it takes a whole number from 0 to 18446744073709551615"),
            (["run", "--drop-signal", "1:2"], "it takes three whole numbers RANK:EXPERT:BLOCK"),
            (["run", "--drop-signal", "0:0:0", "--overlap", "none"], "add singleBatch or direct to --overlap"),
            (["run", "--layer", "3"], "give its directory with --checkpoint"),
            (["run", "--checkpoint", "x", "--hidden", "128"], "--hidden is given by the checkpoint"),
            (["run", "--checkpoint", "x", "--scales", "powerOfTwo"], "--scales is given by the checkpoint"),
            (["run", "--scales", "exponents"], "--scales is 'exponents'; it takes float32 or powerOfTwo"),
            (["run", "--link", "50GB/s,1001ms"], "a latency in ns, us, ms or s up to 1s"),
            (["run", "--link", "50GB/s,5"], "a latency in ns, us, ms or s up to 1s"),
            (["run", "--link", "50GB/s,s"], "a latency in ns, us, ms or s up to 1s"),
            (["run", "--link", "50GB/s,nan s"], "a latency in ns, us, ms or s up to 1s"),
            (["checkpoint", "make", ""], "DIR is ''; it takes a text that is not empty"),
            (["run", "--timeline="], "--timeline is ''; it takes a text that is not empty"),
            (["bench", "gemm", "--n", "200"], "--n is '200'; it takes a multiple of 128 from 128 to 131072"),
            (["bench", "gemm", "--k", "127"], "--k is '127'; it takes a multiple of 128 from 128 to 65536"),
            (["bench", "gemm", "--swiglu", "--n", "384"], "--n is '384'; it takes a multiple of 256 with --swiglu"),
            (
                ["bench", "gemm", "--device", "simulator", "--sms", "133"],
                "--sms is '133'; it takes a whole number from 1 to 132"
            ),
            (["checkpoint", "make"], "swiftep checkpoint make needs DIR"),
            (["checkpoint", "inspect", "a", "b"], "swiftep checkpoint inspect does not take the argument 'b'"),
            (["ptx", "no_such_kernel"], "there is no kernel 'no_such_kernel' for this shape"),
            (["ptx", "--json"], "--json goes with --list or --report"),
            (
                ["verify", "--device", "simulator", "--filter", "no such case"],
                "no case's name contains 'no such case'"
            ),
            (["verify", "--part", "5/4"], "--part is '5/4'; it takes a part and the number of parts, 1 to 1000"),
            (["verify", "--part", "0/4"], "--part is '0/4'; it takes a part and the number of parts"),
            (["verify", "--part", "1/1001"], "--part is '1/1001'; it takes a part and the number of parts"),
            (["verify", "--part", "1/2/3"], "--part is '1/2/3'; it takes a part and the number of parts"),
            (
                ["verify", "--device", "simulator", "--part", "999/1000"], "cases have no part 999/1000; take at most"
            ),
        ])
    func refuses(_ words: [String], _ message: String) throws {
        let result = try Program.run(words)
        #expect(result.code == 64)
        #expect(result.output == "")
        #expect(result.errors.hasPrefix("swiftep: error: "))
        #expect(result.errors.contains(message), "\(result.errors)")
    }

    @Test(
        arguments: [
            (["--hidden", "100"], "--hidden is 100; choose a multiple of 8 from 8 to 12800"),
            (["--intermediate", "68"], "--intermediate is 68; choose a multiple of 8 from 8 to 65536"),
            (["--experts", "6", "--ranks", "4"], "--experts is 6; choose a multiple of 4 from 4 to 1024"),
            (["--topk", "33"], "--topk is 33; choose from 1 to 32"),
            (["--ranks", "3"], "--experts is 32; choose a multiple of 3 from 3 to 1024; 32 is its default here"),
            (["--ranks", "257"], "--ranks is 257; choose from 1 to 256"),
        ])
    func refusesShape(_ options: [String], _ message: String) throws {
        let result = try Program.run(["run", "--device", "simulator"] + options)
        #expect(result.code == 64)
        #expect(result.output == "")
        #expect(result.errors == "swiftep: error: \(message)\n")
    }

    /// What only the device, a checkpoint or another option limits is refused as well, and before anything is made.
    @Test(
        arguments: [
            (["run"], ["--ranks", "2", "--communication-sms", "66"]), (["run"], ["--communication-sms", "33"]),
            (["bench", "layer"], ["--communication-sms", "66"]),
            (["bench", "layer"], ["--ranks", "16", "--communication-sms", "1024"]),
        ])
    func refusesASplitThatLeavesNothing(_ command: [String], _ options: [String]) throws {
        let result = try Program.run(
            command + ["--device", "simulator"] + options, environment: ["TMPDIR": "/nonexistent"])
        #expect(result.code == 64)
        #expect(result.output == "")
        #expect(
            result.errors.contains(
                "--communication-sms is '\(options.last ?? "")'; it takes a whole number from 0 to "),
            "\(result.errors)")
    }

    /// The simulator runs in the memory of this machine.
    @Test(
        arguments: [
            ["bench", "gemm", "--experts", "1024", "--n", "131072", "--k", "65536"],
            ["bench", "dispatch", "--ranks", "32", "--experts", "1024", "--hidden", "12800", "--tokens", "4096"],
            ["bench", "layer", "--experts", "1024", "--intermediate", "65536", "--hidden", "12800"],
            ["run", "--experts", "1024", "--intermediate", "65536", "--hidden", "12800"],
        ])
    func refusesMoreThanTheMemory(_ words: [String]) throws {
        let result = try Program.run(words + ["--device", "simulator"], environment: ["TMPDIR": "/nonexistent"])
        #expect(result.code == 64)
        #expect(result.output == "")
        #expect(result.errors.contains("--experts"), "\(result.errors)")
        #expect(result.errors.contains("and the simulator runs in the memory of this machine"), "\(result.errors)")
    }

    /// Every row would come too late.
    @Test(
        arguments: [
            ["--link", "50GB/s,1s"], ["--link", "50GB/s,20ms"], ["--link", "50GB/s,600000us", "--wait-limit", "0.5"],
            ["--link", "0.1GB/s,0ns", "--wait-limit", "0.00001"],
        ])
    func refusesALinkSlowerThanWaitsLast(_ options: [String]) throws {
        let words = ["run", "--device", "simulator", "--ranks", "2"] + options
        let result = try Program.run(words, environment: ["TMPDIR": "/nonexistent"])
        #expect(result.code == 64)
        #expect(result.output == "")
        #expect(result.errors.hasPrefix("swiftep: error: --link is "), "\(result.errors)")
        #expect(result.errors.contains("a longer --wait-limit"), "\(result.errors)")
    }

    @Test func takesALinkThatIsFasterThanWaitsLast() throws {
        for link in ["50GB/s,1ms", "50GB/s,1000us", "50GB/s,1000000ns", "50GB/s,0.001s"] {
            let result = try Program.run(RunTests.small + ["--overlap", "none", "--link", link])
            #expect(result.code == 0, "\(link): \(result.errors)")
        }
    }

    @Test func refusesMoreFilesThanTensors() throws {
        try TemporaryFolder.with { folder in
            let result = try Program.run([
                "checkpoint", "make", folder + "/checkpoint", "--experts", "4", "--topk", "2", "--shards", "1000",
            ])
            #expect(result.code == 64)
            #expect(
                result.errors.contains("--shards is '1000'; it takes a number between 1 and 32, as each file holds"),
                "\(result.errors)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == [])
        }
    }
}
