import KernelLanguage
import Testing

/// Digests tell kernels apart by what they are. That every field of every operation counts is tested with the
/// operations' forms, in PTXTests.
@Suite struct DigestTests {
    private func kernel(named name: String = "subject", factor: UInt32 = 2) throws -> Kernel {
        try KernelBuilder.build(name, threads: 64) { k in
            let word = k.pointerParameter("word", to: UInt32.self)
            k.if(k.isFirstThread) { k.store(k.load(word) * k.constant(factor), to: word) }
        }
    }

    @Test func linesDoNotCount() throws {
        let one = try kernel()
        let other = try KernelBuilder.build("subject", threads: 64) { k in
            let word = k.pointerParameter("word", to: UInt32.self)
            k.if(k.isFirstThread) { k.store(k.load(word) * 2, to: word) }
        }
        #expect(one != other, "the lines are equal; the test tests nothing")
        #expect(one.digest == other.digest)
    }

    @Test func everythingElseDoes() throws {
        let original = try kernel()
        let changes: [(inout Kernel) -> Void] = [
            { $0.name = "subjects" }, { $0.parameters[0].name = "words" },
            { $0.parameters[0].kind = .pointer(.int32) }, { $0.parameters[0].kind = .scalar(.uint32) },
            { $0.parameters[0].kind = .tensorMap }, { $0.parameters = [] }, { $0.threads = 96 },
            { $0.sharedBytes = 16 }, { $0.clusterSize = 2 }, { $0.registerTypes[0] = .bfloat16 },
            { $0.registerTypes.append(.bool) },
            { $0.body.instructions.removeLast() }, { $0.body.instructions.swapAt(0, 1) },
            { $0.body.instructions.append($0.body.instructions[0]) },
        ]
        var digests = [original.digest, try kernel(factor: 3).digest]
        for change in changes {
            var changed = original
            change(&changed)
            digests.append(changed.digest)
        }
        #expect(Set(digests).count == changes.count + 2)
    }

    /// Swift's own hashes have another seed in every process; these are numbers that can be written down.
    @Test func processesAgree() throws {
        #expect(try kernel().digest.description == "ab0ae3666b0fde1db47ac0d3bb4f2490")
    }

    @Test func digestsHaveAnOrder() throws {
        let digests = try (1...20).map { try kernel(factor: $0).digest }.sorted()
        for (one, next) in zip(digests, digests.dropFirst()) {
            #expect(one < next && one.description < next.description && one.description.count == 32)
        }
    }
}
