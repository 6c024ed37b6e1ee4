import NVSHMEM
import Testing
import Transport

/// What an engine decides before it is started.
@Suite struct NVSHMEMEngineTests {
    @Test func nodesAreMachinesWhereThereAreSeveral() throws {
        #expect(try NVSHMEMEngine.ranksPerNode(nil, ofProcess: 1, ofMachine: 8, machines: 2) == 8)
        #expect(try NVSHMEMEngine.ranksPerNode(nil, ofProcess: 2, ofMachine: nil, machines: 2) == 1)
        #expect(try NVSHMEMEngine.ranksPerNode(nil, ofProcess: 1, ofMachine: 8, machines: 1) == 1)
    }

    @Test(arguments: [(1, 1, 8), (4, 1, 8), (8, 1, 8), (4, 2, 8), (1, 4, nil)])
    func nodesThatCanBe(_ ranks: Int, _ ofProcess: Int, _ ofMachine: Int?) throws {
        let found = try NVSHMEMEngine.ranksPerNode(ranks, ofProcess: ofProcess, ofMachine: ofMachine, machines: 2)
        #expect(found == ranks)
    }

    @Test(arguments: [(16, 1, 8), (3, 1, 8), (2, 4, 8), (0, 1, 8), (2, 1, nil)])
    func nodesThatCannotBe(_ ranks: Int, _ ofProcess: Int, _ ofMachine: Int?) {
        let error = #expect(throws: NVSHMEMError.self) {
            try NVSHMEMEngine.ranksPerNode(ranks, ofProcess: ofProcess, ofMachine: ofMachine, machines: 2)
        }
        #expect(error == .nodes(ranks: ranks, ofProcess: ofProcess, ofMachine: ofMachine))
        #expect(error.map { "\($0)".contains("nodes of \(ranks) ranks") && "\($0)".contains("choose 1") } == true)
    }
}
