import Testing

/// Command lines that cannot be followed end with 64 and say what would be valid.
@Suite struct UsageTests {
    @Test(
        arguments: [
            (["rnu"], "swiftep has no command 'rnu'; did you mean 'run'?"),
            (["frobnicate"], "valid: run, verify, explore, mutate, ptx, checkpoint, bench"),
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
            (["run", "--overlap", "twice"], "it takes modes out of none, singleBatch, twoBatch or direct"),
            (["run", "--wait-limit", "inf"], "--wait-limit is 'inf'; it takes a number above 0 and at most 3600"),
            (["run", "--wait-limit", "0"], "it takes a number above 0 and at most 3600"),
            (["run", "--seed", "-3"], "--seed is '-3'; it takes a whole number from 0 to 18446744073709551615"),
            (["run", "--drop-signal", "1:2"], "it takes three whole numbers RANK:EXPERT:BLOCK"),
            (["run", "--drop-signal", "0:0:0", "--overlap", "none"], "add one to --overlap"),
            (["run", "--layer", "3"], "give its directory with --checkpoint"),
            (["run", "--checkpoint", "x", "--hidden", "128"], "--hidden is given by the checkpoint"),
            (["checkpoint", "make"], "swiftep checkpoint make needs DIR"),
            (["checkpoint", "inspect", "a", "b"], "swiftep checkpoint inspect does not take the argument 'b'"),
            (["ptx", "no_such_kernel"], "there is no kernel 'no_such_kernel' for this shape"),
            (["ptx", "--json"], "--json goes with --list or --report"),
            (
                ["verify", "--device", "simulator", "--filter", "no such case"],
                "no case's name contains 'no such case'"
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
            (["--hidden", "100"], "hidden is 100; choose a multiple of 128 from 128 to 12800"),
            (["--intermediate", "64"], "intermediate is 64; choose a multiple of 128 from 128 to 65536"),
            (["--experts", "6", "--ranks", "4"], "experts is 6; choose a multiple of 4 from 4 to 1024"),
            (["--topk", "33"], "topK is 33; choose from 1 to 32"),
            (["--ranks", "64"], "ranks is 64; choose from 1 to 32"),
        ])
    func refusesShape(_ options: [String], _ message: String) throws {
        let result = try Program.run(["run", "--device", "simulator"] + options)
        #expect(result.code == 64)
        #expect(result.output == "")
        #expect(result.errors == "swiftep: error: \(message)\n")
    }
}
