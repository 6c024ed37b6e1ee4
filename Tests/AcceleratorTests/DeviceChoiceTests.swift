import Accelerator
import CUDADriver
import Testing

@Suite("Device: choice")
struct DeviceChoiceTests {
    @Test("Texts stand for choices")
    func texts() {
        for (text, choice) in [
            ("auto", .auto), ("cuda", .cuda()), ("cuda:0", .cuda(0)), ("cuda:7", .cuda(7)), ("simulator", .simulator),
        ] as [(String, DeviceChoice)] {
            #expect(DeviceChoice(text) == choice)
            #expect(DeviceChoice(choice.description) == choice)
        }
        for text in [
            "", "cuda:", "cuda:x", "cuda:-1", "cuda:+1", "cuda:1 ", "gpu", "CUDA", "cuda1", "cuda:99999999999999999999",
        ] {
            #expect(DeviceChoice(text) == nil, "\(text)")
        }
    }

    @Test("A GPU that is not there is refused, with how many there are")
    func missing() throws {
        do {
            _ = try openDevice(.cuda(99))
            Issue.record("there are hardly 100 GPUs")
        } catch DeviceError.driver(.noSuchDevice(let ordinal, let count)) {
            #expect(ordinal == 99 && count < 100)
            let text = "\(DriverError.noSuchDevice(ordinal: ordinal, count: count))"
            #expect(text.contains("this process sees \(count)"))
        } catch DeviceError.driver(.libraryMissing) {
            #expect((try? CUDADevice()) == nil)
        }
    }

    @Test("The choice of a device is followed and explained")
    func choice() throws {
        let simulator = try openDevice(.simulator, seed: 5, multiprocessors: 2)
        #expect(simulator.device.properties.kind == .simulator)
        #expect(simulator.device.properties.multiprocessors == 2)
        #expect(simulator.note == nil)
        let chosen = try openDevice(.auto)
        #expect((chosen.device.properties.kind == .cuda) == (chosen.note == nil))
        if chosen.note != nil { #expect(throws: DeviceError.self) { try openDevice(.cuda()) } }
    }
}
