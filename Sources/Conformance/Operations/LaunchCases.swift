import Accelerator
import KernelLanguage

/// Features of a kernel as a whole: dependent launch, clusters, registers.
func launchCases() -> [ConformanceCase] { [dependentLaunchCase(), clusterCase(), registerCase()] }

/// The second kernel may start early, and sees all of the first one's memory after its wait. Captured, so that both are
/// in one graph, and run several times.
private func dependentLaunchCase() -> ConformanceCase {
    ConformanceCase("operation dependent launch") { device in
        let first = try KernelBuilder.build("first", threads: 64) { k in
            let data = k.pointerParameter("data", to: UInt32.self)
            k.launchDependents()
            k.sleep(nanoseconds: 5_000)
            let place = data + k.blockIndex.multiply(64, add: k.threadIndex)
            k.store(k.load(place) + 1, to: place)
        }
        let second = try KernelBuilder.build("second", threads: 64) { k in
            let data = k.pointerParameter("data", to: UInt32.self)
            let output = k.pointerParameter("output", to: UInt32.self)
            k.waitForPrerequisites()
            let index = k.blockIndex.multiply(64, add: k.threadIndex)
            k.store(k.load(data + index) * 3, to: output + index)
        }
        let stream = try device.makeStream(label: "dependent launch")
        let data = try device.makeBuffer([UInt32](0..<256), label: "data")
        let output = try device.makeBuffer([UInt32](repeating: 0, count: 256), label: "output")
        let (loadedFirst, loadedSecond) = (try device.load(first), try device.load(second))
        let graph = try device.capture(on: stream) {
            try device.launch(
                loadedFirst, blocks: 4, arguments: [.address(data.address)], dependentLaunch: false, on: stream)
            try device.launch(
                loadedSecond, blocks: 4, arguments: [.address(data.address), .address(output.address)],
                dependentLaunch: true, on: stream)
        }
        for round in 1...5 as ClosedRange<UInt32> {
            try device.replay(graph, on: stream)
            try device.synchronize(stream)
            let expected = (0..<UInt32(256)).map { (index: UInt32) -> UInt32 in (index + round) * 3 }
            try requireEqual("round \(round)", try device.read(UInt32.self, count: 256, from: output), expected)
        }
    }
}

/// Blocks of a cluster run together: each waits for the other, through its barrier.
private func clusterCase() -> ConformanceCase {
    ConformanceCase("operation cluster barrier") { device in
        let kernel = try KernelBuilder.build("cluster", threads: 32, clusterSize: 2) { k in
            let output = k.pointerParameter("output", to: UInt32.self)
            let partner = k.blockIndex ^ 1
            k.if(k.isFirstLane) {
                k.store(k.blockIndex * 10 + k.clusterRank + 1, to: output + k.blockIndex)
                k.fence(scope: .gpu)
            }
            k.clusterBarrier(.arrive)
            k.clusterBarrier(.wait)
            k.if(k.isFirstLane) {
                let seen = k.load(output + partner, order: .relaxed(.gpu))
                k.store(seen, to: output + 8 + k.blockIndex)
            }
        }
        let stream = try device.makeStream(label: "cluster")
        let output = try device.makeBuffer([UInt32](repeating: 0, count: 16), label: "output")
        try device.launch(
            device.load(kernel), blocks: 8, arguments: [.address(output.address)], dependentLaunch: false, on: stream)
        try device.synchronize(stream)
        let written = (0..<UInt32(8)).map { (block: UInt32) -> UInt32 in block * 10 + block % 2 + 1 }
        let seen = written.indices.map { written[$0 ^ 1] }
        let found = try device.read(UInt32.self, count: 16, from: output)
        try requireEqual("output", found, written + seen)
    }
}

/// One warp group gives registers back, the other takes them; values survive.
private func registerCase() -> ConformanceCase {
    ConformanceCase("operation register reallocation") { device in
        let found = try runKernel(on: device, name: "registers", threads: 256, outputWords: 256) { k, _, output, _ in
            let before = k.threadIndex * 7
            k.if(k.warpIndex < 4) {
                k.decreaseRegisters(to: 40)
                k.store(before + 1, to: output + k.threadIndex)
            } else: {
                k.increaseRegisters(to: 216)
                k.store(before + 2, to: output + k.threadIndex)
            }
        }
        let expected = (0..<UInt32(256)).map { (thread: UInt32) -> UInt32 in thread * 7 + (thread < 128 ? 1 : 2) }
        try requireEqual("output", found, expected)
    }
}
