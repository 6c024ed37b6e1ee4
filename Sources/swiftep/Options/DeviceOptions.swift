import Accelerator

/// The options that choose a device.
enum DeviceOptions {
    static let device = Option<DeviceChoice>(
        "device", "auto|cuda[:N]|simulator",
        help:
            "Where to run. auto takes the first GPU if it can run the kernels, cuda:N the GPU with that number, from 0; "
            + "of several processes, each takes the next one. Default: auto.",
        expected: "auto, cuda, cuda:N with the number of a GPU, or simulator"
    ) { DeviceChoice($0) }

    /// Opens the device that was asked for, and notes on standard error if auto fell back to the simulator.
    ///
    /// - Parameter localProcess: The number of this process among those of the machine that work together; nil when it
    ///   is alone. Each takes another GPU, as long as there are some.
    static func open(_ arguments: Arguments, seed: UInt64, localProcess: Int? = nil) throws -> any Device {
        let opened = try openDevice(
            arguments[device] ?? .auto, seed: seed, localProcess: localProcess,
            setAsideL2Bytes: arguments[BenchOptions.setAside] == L2SetAside.none ? 0 : nil,
            network: NetworkOptions.simulated(arguments))
        if let note = opened.note, (localProcess ?? 0) == 0 { Console.note("swiftep: \(note)") }
        return opened.device
    }
}

/// The flags that several commands share.
enum CommonOptions {
    static let json = Option<Bool>.flag("json", help: "Print one JSON object instead of text.")
}
