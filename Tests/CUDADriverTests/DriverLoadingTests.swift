import CUDADriver
import Testing

@Suite struct DriverLoadingTests {
    @Test("Loading opens the driver where libcuda.so.1 exists, and says what was tried where it does not")
    func load() throws {
        guard libraryExists else {
            expectLibraryMissing()
            return
        }
        let driver = try Driver.load()
        #expect(driver.version >= Driver.requiredVersion)
        #expect(try driver.deviceCount() >= 1)
        #expect(try Driver.load() === driver, "the second call returns the driver of the first")
    }

    @Test("A library that does not exist is reported with every name tried and the loader's reason")
    func missingLibrary() {
        let names = ["libno-such-driver.so.1", "/no/such/folder/libno-such-driver.so.1"]
        do {
            _ = try Driver(candidates: names)
            Issue.record("a library that does not exist was opened")
        } catch DriverError.libraryMissing(let attempts) {
            #expect(attempts.map(\.path) == names)
            let text = "\(DriverError.libraryMissing(attempts: attempts))"
            for attempt in attempts {
                #expect(attempt.reason.contains("libno-such-driver"))
                #expect(text.contains(attempt.path))
                #expect(text.contains(attempt.reason))
            }
            #expect(text.contains("LD_LIBRARY_PATH"))
        } catch {
            Issue.record("wrong error: \(error)")
        }
    }

    #if os(Linux)
        @Test("The second name is used when the first does not exist, and a library that is no driver lacks a symbol")
        func missingSymbol() {
            do {
                _ = try Driver(candidates: ["libno-such-driver.so.1", "libc.so.6"])
                Issue.record("the C library passed for a driver")
            } catch DriverError.symbolMissing(let name, let library, let reason) {
                #expect(name == "cuGetErrorName")
                #expect(library == "libc.so.6")
                #expect(reason.contains("cuGetErrorName"))
            } catch {
                Issue.record("wrong error: \(error)")
            }
        }
    #endif

    @Test("Errors name the value, the limit and the remedy")
    func descriptions() {
        let old = "\(DriverError.driverTooOld(version: 12020, required: Driver.requiredVersion))"
        #expect(old.contains("12.2") && old.contains("12.3") && old.contains("newer driver"))
        let device = "\(DriverError.unsupportedDevice(ordinal: 1, name: "NVIDIA A100", major: 8, minor: 0))"
        #expect(device.contains("GPU 1") && device.contains("A100") && device.contains("8.0"))
        #expect(device.contains("sm_90a"))
        let failure = CallFailure(
            function: "cuMemAlloc_v2", code: 2, name: "CUDA_ERROR_OUT_OF_MEMORY", explanation: "out of memory",
            activity: "allocating 5 bytes on GPU 0")
        #expect(
            "\(DriverError.callFailed(failure))"
                == "cuMemAlloc_v2 failed with CUDA_ERROR_OUT_OF_MEMORY (2) while allocating 5 bytes on GPU 0: "
                + "out of memory; free device memory, or ask for less.")
        #expect("\(DriverError.moduleRejected(failure, log: "line 3: oops"))".contains("line 3: oops"))
    }
}
