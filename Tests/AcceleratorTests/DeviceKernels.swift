import Accelerator
import KernelLanguage

/// Small kernels with which the device tests move numbers about.
enum DeviceKernels {
    /// Threads per block of all of them.
    static let threads = 64

    /// `data[i] = data[i] * factor + addend`
    static func affine() throws -> Kernel {
        try KernelBuilder.build("affine", threads: threads) { k in
            let data = k.pointerParameter("data", to: UInt32.self)
            let factor = k.parameter("factor", UInt32.self)
            let addend = k.parameter("addend", UInt32.self)
            let place = data + (k.blockIndex * threads + k.threadIndex)
            k.store(k.load(place) * factor + addend, to: place)
        }
    }

    /// `data[i] = data[i] + other[i]`
    static func add() throws -> Kernel {
        try KernelBuilder.build("add", threads: threads) { k in
            let data = k.pointerParameter("data", to: UInt32.self)
            let other = k.pointerParameter("other", to: UInt32.self)
            let index = k.blockIndex * threads + k.threadIndex
            k.store(k.load(data + index) + k.load(other + index), to: data + index)
        }
    }

    /// Stores one parameter of each scalar type, at bytes 0, 4, 8 and 16.
    static func kinds() throws -> Kernel {
        try KernelBuilder.build("kinds", threads: 32) { k in
            let bytes = k.pointerParameter("bytes", to: UInt32.self)
            let unsigned = k.parameter("unsigned", UInt32.self)
            let signed = k.parameter("signed", Int32.self)
            let real = k.parameter("real", Float.self)
            let long = k.parameter("long", UInt64.self)
            k.if(k.isFirstThread) {
                k.store(unsigned, to: bytes)
                k.store(signed, to: bytes.cast(to: Int32.self) + 1)
                k.store(real, to: bytes.cast(to: Float.self) + 2)
                k.store(long, to: bytes.cast(to: UInt64.self) + 2)
            }
        }
    }

    /// Has a tensor map and does nothing, in clusters of two blocks.
    static func mapped() throws -> Kernel {
        try KernelBuilder.build("mapped", threads: 32, clusterSize: 2) { k in
            _ = k.tensorMapParameter("map")
            k.exit()
        }
    }
}

/// A device under test, with its name for messages.
struct DeviceCase: CustomStringConvertible, Sendable {
    let device: any Device
    let description: String

    /// Simulated devices with different schedules, and the GPU where there is one.
    static func all() -> [DeviceCase] {
        var cases = (0..<3).map {
            DeviceCase(device: SimulatedDevice(seed: $0, multiprocessors: 4), description: "simulator, seed \($0)")
        }
        if let device = try? CUDADevice() { cases.append(DeviceCase(device: device, description: "GPU")) }
        return cases
    }
}
