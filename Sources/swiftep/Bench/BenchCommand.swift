import Accelerator

/// `swiftep bench`
enum BenchCommand {
    static let command = Command(
        name: "bench",
        summary: "Measures what the device can do.",
        subcommands: [
            ceiling, GEMMBenchCommand.command, LayerBenchCommand.dispatch, LayerBenchCommand.combine,
            LayerBenchCommand.pair, LayerBenchCommand.layer,
        ])

    static let ceiling = Command(
        name: "ceiling",
        summary: "Measures how fast the device reads and copies its memory.",
        discussion: [
            "One block on each multiprocessor streams through memory with bulk copies into a ring in shared memory: "
                + "for the FP8 weights of the GEMMs of 16 experts of DeepSeek-V3, for both together, and for 4 GiB. "
                + "Launches are captured in a graph and go round a buffer larger than the L2 cache. TB/s of a copy "
                + "count its bytes twice, once read and once written.",
            "On the simulator the sizes are small and the times are simulated: they say nothing about any GPU.",
        ],
        options: [DeviceOptions.device, ResultOptions.results, ResultOptions.commit, CommonOptions.json],
        run: { arguments in
            let output = try BenchOutput(arguments)
            let device = try DeviceOptions.open(arguments, seed: 1)
            try output.write(CeilingBench(device).run(), bench: "ceiling", from: device)
            return 0
        })
}
