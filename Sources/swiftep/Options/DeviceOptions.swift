import Accelerator

/// The options that choose a device.
enum DeviceOptions {
    static let device = Option<DeviceChoice>(
        "device", "auto|cuda[:N]|simulator",
        help:
            "Where to run. auto takes the first GPU if it can run the kernels, cuda:N the GPU with that number, from 0. "
            + "Default: auto.",
        expected: "auto, cuda, cuda:N with the number of a GPU, or simulator"
    ) { DeviceChoice($0) }

    /// Opens the device that was asked for, and says on standard error if auto had to make do with the simulator.
    static func open(_ arguments: Arguments, seed: UInt64) throws -> any Device {
        let opened = try openDevice(arguments[device] ?? .auto, seed: seed)
        if let note = opened.note { Console.note("swiftep: \(note)") }
        return opened.device
    }
}

/// The flags that several commands share.
enum CommonOptions {
    static let json = Option<Bool>.flag("json", help: "Print one JSON object instead of text.")
}
