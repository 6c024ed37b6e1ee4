import KernelLanguage
import Testing

/// Faulty kernels are refused with the operation, its operands and the line that asked for it.
@Suite struct VerifierTests {
    /// Builds a kernel that must be refused; returns the error.
    private func refusal(
        threads: Int = 128, clusterSize: Int = 1, _ body: (KernelBuilder) -> Void
    ) throws -> VerificationError {
        do throws(VerificationError) {
            _ = try KernelBuilder.build("faulty", threads: threads, clusterSize: clusterSize, body)
        } catch {
            return error
        }
        throw Accepted()
    }

    private struct Accepted: Error, CustomStringConvertible {
        let description = "the faulty kernel was accepted"
    }

    @Test func namesOperationOperandsAndLine() throws {
        let line = #line + 3
        let error = try refusal { k in
            let pointer = k.pointerParameter("x", to: UInt32.self)
            k.storeVector([k.constant(UInt32(1)), k.constant(UInt32(2))], to: pointer + 1)
        }
        #expect(error.operation == "store")
        #expect(error.location?.line == line)
        #expect(error.location?.file.hasSuffix("VerifierTests.swift") == true)
        #expect(error.problem == "offset 4 is not a multiple of 8 bytes")
        #expect(error.description.contains("%0: uint64"))
    }

    @Test func refusesThreadsThatAreNoWholeWarps() throws {
        let error = try refusal(threads: 100) { _ in }
        #expect(error.problem == "100 threads per block; a multiple of 32 from 32 to 1024 is possible")
    }

    @Test func refusesTooMuchSharedMemory() throws {
        let error = try refusal { k in _ = k.shared(Float.self, count: 60_000) }
        #expect(error.problem == "240000 bytes of shared memory; a block can have 232448")
    }

    @Test func refusesValuesFromBlocksThatMayNotHaveRun() throws {
        let error = try refusal { k in
            let output = k.pointerParameter("output", to: UInt32.self)
            var inner = k.constant(UInt32(0))
            k.if(k.isFirstThread) { inner = k.lane + 1 }
            k.store(inner, to: output)
        }
        #expect(error.operation == "store")
        #expect(error.problem.contains("is used outside the block that defines it"))
    }

    @Test func refusesNetworkOperationsThatNoAdapterHas() throws {
        func problem(
            channel: UInt32 = 0, bytes: UInt32 = 16, sourceOffset: Int = 0, wordOffset: Int = 0
        ) throws -> String {
            try refusal { k in
                let memory = k.pointerParameter("x", to: UInt32.self)
                let words = (memory + wordOffset).cast(to: UInt64.self)
                let path = NetworkPath(
                    context: k.constant(UInt64(0)), peer: k.constant(UInt32(1)), channel: k.constant(channel))
                k.networkPut(
                    memory + sourceOffset, to: memory, bytes: k.constant(bytes), over: path,
                    adding: (k.constant(UInt64(1)), words))
            }.problem
        }
        #expect(try problem(channel: 64) == "channel is 64, expected 0 to 63")
        #expect(try problem(bytes: 24) == "24 bytes; puts move multiples of 16")
        #expect(try problem(bytes: 0) == "0 bytes; puts move multiples of 16")
        #expect(try problem(sourceOffset: 1) == "the source's offset 4 is not a multiple of 16")
        #expect(try problem(wordOffset: 1) == "the signal's offset 4 is not a multiple of 8")
    }

    @Test func refusesBreakOutsideOfLoops() throws {
        let error = try refusal { k in k.breakIf(k.isFirstThread) }
        #expect(error.problem == "there is no loop to leave")
    }

    @Test func refusesOrdersThatAccessesCannotHave() throws {
        let load = try refusal { k in
            _ = k.load(k.pointerParameter("x", to: UInt32.self), order: .release(.gpu))
        }
        #expect(load.problem == "a load cannot have order release")
        let store = try refusal { k in
            k.store(
                k.constant(UInt32(0)), to: k.pointerParameter("x", to: UInt32.self), order: .acquire(.gpu))
        }
        #expect(store.problem == "a store cannot have order acquire")
        let atomic = try refusal { k in
            k.atomicAdd(k.pointerParameter("x", to: UInt32.self), 1, order: .weak)
        }
        #expect(atomic.problem == "an atomic operation is at least relaxed")
    }

    @Test(arguments: [4, 12, 264]) func refusesColumnsThatTensorCoresLack(_ columns: Int) throws {
        let error = try refusal { k in
            let descriptor = k.constant(UInt64(0))
            let sums = (0..<columns / 2).map { _ in k.variable(k.constant(Float(0))) }
            k.multiply(Float8E4M3.self, a: descriptor, b: descriptor, into: sums, accumulate: k.constant(false))
        }
        #expect(error.problem == "\(columns) columns; a multiple of 8 from 8 to 256 is possible")
    }

    @Test func refusesBulkCopiesOfOddSizes() throws {
        let error = try refusal { k in
            let pointer = k.pointerParameter("x", to: UInt32.self)
            let shared = k.shared(UInt32.self, count: 16)
            k.bulkStore(shared, to: pointer, bytes: k.constant(UInt32(20)))
        }
        #expect(error.problem == "20 bytes; bulk copies move multiples of 16")
    }

    @Test func refusesNamesThatPTXCannotHave() throws {
        let error = try refusal { k in _ = k.pointerParameter("2x", to: UInt32.self) }
        #expect(error.problem == "\"2x\" cannot name parameter 0; use letters, digits and _, and no digit first")
        let twice = try refusal { k in
            _ = k.parameter("x", UInt32.self)
            _ = k.parameter("x", UInt32.self)
        }
        #expect(twice.problem == "two parameters are named x")
    }

    @Test func refusesBarriersThatDoNotExist() throws {
        let number = try refusal { k in k.barrier(NamedBarrier(16), threads: 64) }
        #expect(number.problem == "barrier number is 16, expected 0 to 15")
        let threads = try refusal { k in k.barrier(NamedBarrier(1), threads: 256) }
        #expect(threads.problem == "the number of threads must be a multiple of 32 up to 128")
        let cluster = try refusal { k in k.clusterBarrier(.arrive) }
        #expect(cluster.problem == "the kernel has no cluster; give it a cluster size above 1")
    }

    @Test func variablesKeepTheirOldValuesReadable() throws {
        let kernel = try KernelBuilder.build("swap", threads: 32) { k in
            let variable = k.variable(k.lane)
            let before = variable.value
            variable.value = before + 1
            k.store(before, to: k.pointerParameter("output", to: UInt32.self) + variable.value)
        }
        // Reading a variable copies it: the store must not read the variable's own register.
        guard case .store(_, let values, _) = kernel.body.instructions.last?.op,
            case .register(let stored)? = values.first,
            case .move(let variable, _)? = kernel.body.instructions.lazy.map(\.op).first(where: {
                if case .move = $0 { true } else { false }
            })
        else {
            Issue.record("the kernel has another form than expected")
            return
        }
        #expect(stored != variable)
    }
}
